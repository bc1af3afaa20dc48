"""A connection whose deadlines are short, for uvicorn's `--http`."""

from app.http.connection import Connection


class ShortDeadlines(Connection):
    """Waits a second where the service waits ten or more."""

    HEAD_S = 1.0
    BODY_PERIOD_S = 1.0
    BODY_PERIOD_BYTES = 100
    MAX_BODY_PERIODS = 4
    WRITE_PERIOD_S = 1.0
