"""PostgreSQL: its engines and its dumps."""
