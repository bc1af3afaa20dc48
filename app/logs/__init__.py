"""The log: its lines, and one line a minute for a problem that lasts."""
