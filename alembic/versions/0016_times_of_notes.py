"""Index the times of predictions with notes, for a search in a time span.

Only adds, so the release before can still read and write.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0016"
down_revision: str | Sequence[str] | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_since: str = "0005"

NAME = "ix_predictions_with_notes_created_at"
COLUMNS = ["created_at", "id"]
WITH_NOTES = sa.text("notes IS NOT NULL")


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        op.create_index(op.f(NAME), "predictions", COLUMNS, sqlite_where=WITH_NOTES)
        return
    with op.get_context().autocommit_block():
        # A failed CREATE INDEX CONCURRENTLY leaves an invalid index with this name.
        op.drop_index(op.f(NAME), "predictions", if_exists=True, postgresql_concurrently=True)
        op.create_index(op.f(NAME), "predictions", COLUMNS, postgresql_concurrently=True, postgresql_where=WITH_NOTES)


def downgrade() -> None:
    op.drop_index(op.f(NAME), "predictions")
