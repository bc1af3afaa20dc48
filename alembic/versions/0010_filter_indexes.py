"""Index the notes for a search, and the drawings of a shadow model.

SQLite finds notes with FTS5, PostgreSQL with pg_trgm, if it is there or the role may install it. Only adds, so the
release before can still read and write.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from alembic import op

revision: str = "0010"
down_revision: str | Sequence[str] | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_since: str = "0005"

SHADOW_INDEX = "ix_shadow_predictions_model_sha256_prediction_id"

NOTES_INDEX = "ix_predictions_notes_trigrams"
# Installed, or a role that may create in the database can install it.
HAS_TRIGRAMS = (
    "SELECT 1 FROM pg_available_extension_versions WHERE name = 'pg_trgm' AND (installed"
    " OR trusted AND has_database_privilege(current_database(), 'CREATE'))"
)

# With a copy of the notes: an index of the table's own text fails for rows that changed without its triggers.
SQLITE_SEARCH = (
    "CREATE VIRTUAL TABLE notes_search USING fts5(notes, tokenize='trigram', detail='none', columnsize=0)",
    "INSERT INTO notes_search (rowid, notes) SELECT id, notes FROM predictions WHERE notes IS NOT NULL",
    "CREATE TRIGGER search_notes AFTER INSERT ON predictions WHEN NEW.notes IS NOT NULL BEGIN"
    " INSERT OR REPLACE INTO notes_search (rowid, notes) VALUES (NEW.id, NEW.notes); END",
    "CREATE TRIGGER search_deleted_notes AFTER DELETE ON predictions WHEN OLD.notes IS NOT NULL BEGIN"
    " DELETE FROM notes_search WHERE rowid = OLD.id; END",
    "CREATE TRIGGER search_changed_notes AFTER UPDATE OF id, notes ON predictions BEGIN"
    " DELETE FROM notes_search WHERE rowid = OLD.id;"
    " INSERT OR REPLACE INTO notes_search (rowid, notes) SELECT NEW.id, NEW.notes WHERE NEW.notes IS NOT NULL; END",
)


def upgrade() -> None:
    with in_pieces():
        # A failed CREATE INDEX CONCURRENTLY leaves an invalid index with this name.
        drop_index(SHADOW_INDEX, "shadow_predictions")
        columns = ["model_sha256", "prediction_id"]
        op.create_index(op.f(SHADOW_INDEX), "shadow_predictions", columns, postgresql_concurrently=True)
        if op.get_bind().dialect.name == "postgresql":
            index_notes()
    if op.get_bind().dialect.name == "sqlite":
        for statement in SQLITE_SEARCH:
            op.execute(statement)


def index_notes() -> None:
    if not op.get_bind().scalar(sa.text(HAS_TRIGRAMS)):
        return
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    drop_index(NOTES_INDEX, "predictions")
    op.create_index(
        op.f(NOTES_INDEX),
        "predictions",
        [sa.text('lower(notes COLLATE "C") gin_trgm_ops')],
        postgresql_concurrently=True,
        postgresql_using="gin",
        postgresql_where=sa.text("notes IS NOT NULL"),
    )


@contextmanager
def in_pieces() -> Iterator[None]:
    """On PostgreSQL, commit each statement separately, so that requests do not wait for them."""
    if op.get_bind().dialect.name != "postgresql":
        yield
        return
    with op.get_context().autocommit_block():
        yield


def drop_index(name: str, table: str) -> None:
    op.drop_index(op.f(name), table, if_exists=True, postgresql_concurrently=True)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in ("search_notes", "search_deleted_notes", "search_changed_notes"):
            op.execute(f"DROP TRIGGER {name}")
        op.execute("DROP TABLE notes_search")
    else:
        # In the transaction of the revision: nothing would make it again after a failure. The extension stays; other
        # tables may use it.
        op.drop_index(op.f(NOTES_INDEX), "predictions", if_exists=True)
    op.drop_index(op.f(SHADOW_INDEX), "shadow_predictions")
