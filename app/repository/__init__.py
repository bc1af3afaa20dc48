"""Every SQL statement. Callers begin and end the transactions."""
