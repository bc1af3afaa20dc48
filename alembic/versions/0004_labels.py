"""Labels by people, what is reviewed, a second model's answers; margins of drawings; indexes and views for finding.

Only adds, so the service of the release before goes on writing: its drawings have no margin, and nothing else is
missed. The margins of the drawings there are already are computed from their scores.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The two highest of the ten scores, apart. A drawing written by hand may hold anything that is JSON.
MARGINS = {
    "sqlite": (
        "UPDATE drawings SET margin ="
        " (SELECT value FROM json_each(drawings.scores) ORDER BY value DESC LIMIT 1)"
        " - (SELECT value FROM json_each(drawings.scores) ORDER BY value DESC LIMIT 1 OFFSET 1)"
        " WHERE json_type(scores) = 'array'"
    ),
    "postgresql": (
        "UPDATE drawings SET margin = best[1] - best[2] FROM ("
        " SELECT prediction_id AS id, ARRAY(SELECT CAST(value AS float) FROM json_array_elements_text(scores)"
        " ORDER BY 1 DESC LIMIT 2) AS best FROM drawings WHERE json_typeof(scores) = 'array') AS ranked"
        " WHERE prediction_id = ranked.id"
    ),
}

# For people with `sqlite3`, `psql` or Datasette; the service reads the tables.
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
    # A new column at the end is no copy of the table, not even on SQLite.
    op.add_column("drawings", sa.Column("margin", sa.Float(), nullable=True))
    op.execute(MARGINS[op.get_bind().dialect.name])
    create_indexes()
    op.execute(V_RESULTS)
    op.execute(V_ACCURACY_BY_VERSION)


def refers_to_predictions(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_prediction_id_predictions")
    return sa.ForeignKeyConstraint(["prediction_id"], ["predictions.id"], name=name, ondelete="CASCADE")


def create_indexes() -> None:
    for table, *columns in (
        ("predictions", "prediction", "id"),
        ("predictions", "model_version", "id"),
        ("predictions", "created_at", "id"),
        ("predictions", "confidence"),
        ("labels", "prediction_id", "id"),
        ("labels", "label", "prediction_id"),
        ("drawings", "margin", "prediction_id"),
    ):
        op.create_index(op.f("_".join(("ix", table, *columns))), table, columns)
    with_notes = sa.text("notes IS NOT NULL")
    op.create_index(
        op.f("ix_predictions_with_notes"), "predictions", ["id"], sqlite_where=with_notes, postgresql_where=with_notes
    )


def downgrade() -> None:
    op.execute("DROP VIEW v_accuracy_by_version")
    op.execute("DROP VIEW v_results")
    for index in ("prediction_id", "model_version_id", "created_at_id", "confidence", "with_notes"):
        op.drop_index(op.f(f"ix_predictions_{index}"), "predictions")
    op.drop_index(op.f("ix_drawings_margin_prediction_id"), "drawings")
    # Not in batch mode, which would copy every drawing.
    op.drop_column("drawings", "margin")
    for table in ("shadow_predictions", "reviews", "labels"):
        op.drop_table(table)
