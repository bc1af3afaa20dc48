"""SQLite: its engines, and the safety of its files."""
