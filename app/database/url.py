from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.config import ConfigurationError
from app.database.errors import AS_OWNER


def parse_database_url(database_url: str, setting: str = "DATABASE_URL") -> URL:
    """Parse the URL; raise ConfigurationError if it is malformed or its folder is missing."""
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"{setting} is not a valid URL") from None
    if url.get_backend_name() != "sqlite":
        if not (url.database or "dbname" in url.query or "service" in url.query):
            raise ConfigurationError(f"{setting} lacks the name of the database: postgresql://user:password@host/name")
        return url
    if url.host or "?" in database_url or not url.database or url.database == ":memory:":
        raise ConfigurationError(f"{setting}: SQLite takes sqlite:/// and the path of a file, nothing else")
    path = Path(url.database).absolute()
    try:
        is_folder, has_folder = path.is_dir(), path.parent.is_dir()
    except OSError as error:
        remedy = f"; {AS_OWNER}" if isinstance(error, PermissionError) else ""
        raise ConfigurationError(f"{setting}: cannot open {path}: {error.strerror}{remedy}") from error
    if is_folder:
        raise ConfigurationError(f"{setting}: {path} is a folder; add the name of the file")
    if not has_folder:
        raise ConfigurationError(f"{setting}: the folder {path.parent} does not exist{_four_slashes(url.database)}")
    return url


def sqlite_path(url: URL) -> Path:
    """Return the path without symbolic links."""
    return Path(url.database or "").resolve()


def _four_slashes(database: str) -> str:
    """Return a hint if a relative path begins like an absolute one, such as opt/pixelwise/pixelwise.db."""
    from_root = Path("/", database)
    if database.startswith(("/", ".")) or not Path(*from_root.parts[:2]).is_dir():
        return ""
    return f"; an absolute path takes four slashes: sqlite:///{from_root}"
