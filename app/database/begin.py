"""Begin a transaction; if the server has ended the idle connection, do it on another one."""

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session


def begin(connection: Connection) -> None:
    try:
        connection.begin()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        connection.begin()


def begin_session(session: Session) -> Connection:
    try:
        return session.connection()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    session.rollback()
    return session.connection()
