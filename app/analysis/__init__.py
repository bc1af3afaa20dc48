"""Statistics, comparisons and export files. Knows neither the web nor the database."""
