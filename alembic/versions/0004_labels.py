"""Add labels, reviews, shadow predictions and margins, and indexes and views for searching.

Only adds, so the previous release can still write; its drawings have no margin. The margins of existing drawings are
computed from their scores.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from alembic import op

revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# margin = highest score - second highest. A row inserted by hand may hold any JSON.
MARGINS = {
    "sqlite": (
        "UPDATE drawings SET margin ="
        " (SELECT value FROM json_each(drawings.scores) WHERE type IN ('integer', 'real') ORDER BY value DESC LIMIT 1)"
        " - (SELECT value FROM json_each(drawings.scores) WHERE type IN ('integer', 'real') ORDER BY value DESC"
        " LIMIT 1 OFFSET 1)"
        " WHERE json_type(scores) = 'array' AND prediction_id BETWEEN :first AND :last"
    ),
    "postgresql": (
        "UPDATE drawings SET margin = best[1] - best[2] FROM ("
        " SELECT prediction_id AS id, ARRAY(SELECT CAST(CAST(value AS text) AS float) FROM json_array_elements(scores)"
        " WHERE json_typeof(value) = 'number' ORDER BY 1 DESC LIMIT 2) AS best FROM drawings"
        " WHERE json_typeof(scores) = 'array' AND prediction_id BETWEEN :first AND :last) AS ranked"
        " WHERE prediction_id = ranked.id"
    ),
}

# Takes a fraction of a second. On PostgreSQL, a deletion of one of these drawings waits that long.
BATCH = 10_000

# The views are for users of `sqlite3`, `psql` or Datasette; the service does not read them.
V_RESULTS = """
CREATE VIEW v_results AS
SELECT predictions.id, predictions.prediction, labels.label, labels.label = predictions.prediction AS correct,
  predictions.confidence, predictions.model_version, predictions.created_at, predictions.notes,
  labels.source AS labelled_by, labels.created_at AS labelled_at
FROM predictions LEFT JOIN labels ON labels.id =
  (SELECT max(newer.id) FROM labels AS newer WHERE newer.prediction_id = predictions.id)
"""
V_ACCURACY_BY_VERSION = """
CREATE VIEW v_accuracy_by_version AS
SELECT model_version, count(*) AS predictions, avg(confidence) AS mean_confidence, count(label) AS labelled,
  sum(CASE WHEN correct THEN 1 ELSE 0 END) AS correct,
  avg(CASE WHEN correct THEN 1.0 WHEN label IS NOT NULL THEN 0.0 END) AS accuracy
FROM v_results GROUP BY model_version
"""


def upgrade() -> None:
    # On PostgreSQL, a run that failed after this step has committed it; the next run continues there.
    if "margin" not in columns_of_drawings():
        create_tables()
        # Adding a column at the end does not copy the table, not even on SQLite.
        op.add_column("drawings", sa.Column("margin", sa.Float(), nullable=True))
    with in_pieces():
        fill_margins()
        create_indexes()
    op.execute(V_RESULTS)
    op.execute(V_ACCURACY_BY_VERSION)


def columns_of_drawings() -> set[str]:
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns("drawings")}


@contextmanager
def in_pieces() -> Iterator[None]:
    """On PostgreSQL, commit each statement separately, so that requests do not wait for them."""
    if op.get_bind().dialect.name != "postgresql":
        yield
        return
    with op.get_context().autocommit_block():
        yield


def fill_margins() -> None:
    bind = op.get_bind()
    last = bind.scalar(sa.text("SELECT max(prediction_id) FROM drawings")) or 0
    statement = sa.text(MARGINS[bind.dialect.name])
    for first in range(1, last + 1, BATCH):
        bind.execute(statement, {"first": first, "last": first + BATCH - 1})


def create_tables() -> None:
    op.create_table(
        "labels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("prediction_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("source", sa.String(), server_default=sa.text("'by hand'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.current_timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.CheckConstraint(
            "label IN ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'none')", name=op.f("ck_labels_label")
        ),
        refers_to_predictions("labels"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "reviews",
        sa.Column("prediction_id", sa.Integer(), nullable=False),
        sa.Column("sampled", sa.Boolean(), nullable=False),
        sa.Column("reviewer", sa.String(), nullable=True),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("prediction_id"),
        refers_to_predictions("reviews"),
    )
    op.create_table(
        "shadow_predictions",
        sa.Column("prediction_id", sa.Integer(), nullable=False),
        sa.Column("model_sha256", sa.String(), nullable=False),
        sa.Column("model_version", sa.String(), nullable=False),
        sa.Column("prediction", sa.String(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", "model_sha256"),
        refers_to_predictions("shadow_predictions"),
    )
    op.create_index(op.f("ix_labels_prediction_id_id"), "labels", ["prediction_id", "id"])
    op.create_index(op.f("ix_labels_label_prediction_id"), "labels", ["label", "prediction_id"])


def refers_to_predictions(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_prediction_id_predictions")
    return sa.ForeignKeyConstraint(["prediction_id"], ["predictions.id"], name=name, ondelete="CASCADE")


def create_indexes() -> None:
    for table, *columns in (
        ("predictions", "prediction", "id"),
        ("predictions", "model_version", "id"),
        ("predictions", "created_at", "id"),
        ("predictions", "confidence"),
        ("drawings", "margin", "prediction_id"),
    ):
        create_index("_".join(("ix", table, *columns)), table, columns)
    with_notes = sa.text("notes IS NOT NULL")
    create_index(
        "ix_predictions_with_notes", "predictions", ["id"], sqlite_where=with_notes, postgresql_where=with_notes
    )


def create_index(name: str, table: str, columns: list[str], **options: Any) -> None:
    # A failed CREATE INDEX CONCURRENTLY leaves an invalid index with this name.
    op.drop_index(op.f(name), table, if_exists=True, postgresql_concurrently=True)
    op.create_index(op.f(name), table, columns, postgresql_concurrently=True, **options)


def downgrade() -> None:
    op.execute("DROP VIEW v_accuracy_by_version")
    op.execute("DROP VIEW v_results")
    for index in ("prediction_id", "model_version_id", "created_at_id", "confidence", "with_notes"):
        op.drop_index(op.f(f"ix_predictions_{index}"), "predictions")
    op.drop_index(op.f("ix_drawings_margin_prediction_id"), "drawings")
    # Not in batch mode, because it copies every drawing.
    op.drop_column("drawings", "margin")
    for table in ("shadow_predictions", "reviews", "labels"):
        op.drop_table(table)
