"""Sessions and transactions on SQLite or PostgreSQL."""

from app.database.database import Database, SessionLocal, get_database

__all__ = ["Database", "SessionLocal", "get_database"]
