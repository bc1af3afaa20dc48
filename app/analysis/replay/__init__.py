"""Two models on the same drawings: answers kept in a file, counted, timed and shown. Knows no database."""
