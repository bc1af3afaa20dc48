"""The shapes of the API: what is accepted, what is answered, with examples. Knows neither web nor database."""
