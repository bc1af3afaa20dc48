from importlib import import_module
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.models import Base

T = TypeVar("T")


def is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def dialect_insert(session: Session, table: Table | type[Base]) -> Any:
    """Return an INSERT that may have ON CONFLICT."""
    # Loads only this dialect.
    return import_module(f"sqlalchemy.dialects.{session.get_bind().dialect.name}").insert(table)


class DialectFunction(FunctionElement[T]):
    """SQL that each engine writes in its own form, with {} for the argument, or {0} and {1}."""

    sqlite: ClassVar[str]
    postgresql: ClassVar[str]


@compiles(DialectFunction)
def _compile(element: DialectFunction[Any], compiler: SQLCompiler, **options: Any) -> str:
    form: str = getattr(element, compiler.dialect.name)
    return form.format(*(compiler.process(part, **options) for part in element.clauses))
