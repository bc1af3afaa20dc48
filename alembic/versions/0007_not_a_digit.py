"""Add to predictions the probability that the drawing is not a digit, and index the rows where it is not small.

Older rows have none. Only adds, so the release before can still read and write.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from alembic import op

revision: str = "0007"
down_revision: str | Sequence[str] | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_since: str = "0005"

CHECK = "ck_predictions_not_a_digit"
IN_RANGE = "not_a_digit >= 0 AND not_a_digit <= 1"
INDEX = "ix_predictions_maybe_not_a_digit"
IS_LARGE = sa.text("not_a_digit >= 0.1")


def upgrade() -> None:
    # On PostgreSQL, a run that failed after this step has committed it; the next run continues there.
    if "not_a_digit" not in columns_of_predictions():
        add_column()
    with in_pieces():
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"ALTER TABLE predictions VALIDATE CONSTRAINT {CHECK}")
        # A failed CREATE INDEX CONCURRENTLY leaves an invalid index with this name.
        drop_index()
        op.create_index(
            op.f(INDEX),
            "predictions",
            ["id", "not_a_digit"],
            postgresql_concurrently=True,
            sqlite_where=IS_LARGE,
            postgresql_where=IS_LARGE,
        )


def columns_of_predictions() -> set[str]:
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns("predictions")}


def add_column() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # Only a check of the column itself can be added without copying the table.
        op.execute(f"ALTER TABLE predictions ADD COLUMN not_a_digit FLOAT CONSTRAINT {CHECK} CHECK ({IN_RANGE})")
        return
    op.add_column("predictions", sa.Column("not_a_digit", sa.Float(), nullable=True))
    op.execute(f"ALTER TABLE predictions ADD CONSTRAINT {CHECK} CHECK ({IN_RANGE}) NOT VALID")


@contextmanager
def in_pieces() -> Iterator[None]:
    """On PostgreSQL, commit each statement separately, so that requests do not wait for them."""
    if op.get_bind().dialect.name != "postgresql":
        yield
        return
    with op.get_context().autocommit_block():
        yield


def drop_index() -> None:
    op.drop_index(op.f(INDEX), "predictions", if_exists=True, postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index(op.f(INDEX), "predictions")
    # Its check goes with it.
    op.drop_column("predictions", "not_a_digit")
