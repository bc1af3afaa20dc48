"""Index the confidence and the margin of doubtful drawings only, so that most new rows change neither index.

The release before can still read and write; it finds doubtful drawings more slowly.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import sqlalchemy as sa

from alembic import op

revision: str = "0006"
down_revision: str | Sequence[str] | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_since: str = "0005"


class Index(NamedTuple):
    name: str
    table: str
    columns: list[str]
    where: str | None = None


FULL = (
    Index("ix_predictions_confidence", "predictions", ["confidence"]),
    Index("ix_drawings_margin_prediction_id", "drawings", ["margin", "prediction_id"]),
)
PARTIAL = (
    Index("ix_predictions_low_confidence", "predictions", ["id", "confidence"], "confidence <= 0.9"),
    Index("ix_drawings_small_margin", "drawings", ["margin", "prediction_id"], "margin <= 0.8"),
)


def upgrade() -> None:
    with in_pieces():
        create_indexes(PARTIAL)
        for index in FULL:
            drop_index(index)


def downgrade() -> None:
    with in_pieces():
        create_indexes(FULL)
    # In the transaction of the revision: nothing would make them again after a failure.
    for index in PARTIAL:
        op.drop_index(op.f(index.name), index.table)


def create_indexes(indexes: Sequence[Index]) -> None:
    for index in indexes:
        # A failed CREATE INDEX CONCURRENTLY leaves an invalid index with this name.
        drop_index(index)
        create_index(index)


@contextmanager
def in_pieces() -> Iterator[None]:
    """On PostgreSQL, commit each statement separately, so that requests do not wait for them."""
    if op.get_bind().dialect.name != "postgresql":
        yield
        return
    with op.get_context().autocommit_block():
        yield


def drop_index(index: Index) -> None:
    op.drop_index(op.f(index.name), index.table, if_exists=True, postgresql_concurrently=True)


def create_index(index: Index) -> None:
    condition = None if index.where is None else sa.text(index.where)
    op.create_index(
        op.f(index.name),
        index.table,
        index.columns,
        postgresql_concurrently=True,
        sqlite_where=condition,
        postgresql_where=condition,
    )
