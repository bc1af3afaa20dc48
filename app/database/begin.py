from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session


def begin(session: Session) -> Connection:
    """Begin the transaction; if the server has ended the idle connection, do it on another one."""
    try:
        return session.connection()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    session.rollback()
    return session.connection()
