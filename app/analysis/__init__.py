"""Statistics, model comparisons and export files."""
