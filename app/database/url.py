from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.config import ConfigurationError


def checked_url(database_url: str) -> URL:
    """Parse the URL; raise ConfigurationError if it is malformed or its folder is missing."""
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        raise ConfigurationError("DATABASE_URL is not a valid URL") from None
    if url.get_backend_name() != "sqlite":
        return url
    if url.host or url.query or not url.database or url.database == ":memory:":
        raise ConfigurationError("DATABASE_URL: SQLite takes sqlite:/// and the path of a file, nothing else")
    folder = Path(url.database).absolute().parent
    if not folder.is_dir():
        problem = f"DATABASE_URL: the folder {folder} does not exist"
        from_root = Path("/", url.database)
        if from_root.parent.is_dir():
            problem += f"; an absolute path takes four slashes: sqlite:///{from_root}"
        raise ConfigurationError(problem)
    return url
