"""Add the table `drawings`; add the request, the client and constraints to `predictions`.

`predictions` gets the request ID, the client's name, a default for `created_at`, ids that are never reused, and a check
that confidence is between 0 and 1. In older rows a confidence outside this range is clamped, and the notes keep the
original value.
"""

import logging
from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

log = logging.getLogger("alembic.runtime.migration")


def upgrade() -> None:
    keep_confidences_in_notes()
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL timezone = 'UTC'")
    # SQLite can add AUTOINCREMENT only by recreating the table.
    with op.batch_alter_table("predictions", table_kwargs={"sqlite_autoincrement": True}) as predictions:
        predictions.add_column(sa.Column("request_id", sa.String(), nullable=True))
        predictions.add_column(sa.Column("client", sa.String(), nullable=True))
        # PostgreSQL's column had no time zone, and version 0.5 wrote UTC. With the session's time zone instead of
        # USING, PostgreSQL does not rewrite the rows under a lock.
        predictions.alter_column(
            "created_at",
            existing_type=sa.DateTime(),
            type_=sa.DateTime(timezone=True),
            server_default=sa.func.current_timestamp(),
        )
        predictions.create_check_constraint(op.f("ck_predictions_confidence"), "confidence >= 0 AND confidence <= 1")
    op.create_table(
        "drawings",
        sa.Column("prediction_id", sa.Integer(), nullable=False),
        sa.Column("pixels", sa.LargeBinary(), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id"),
        sa.CheckConstraint("length(pixels) = 784", name=op.f("ck_drawings_pixels")),
        sa.ForeignKeyConstraint(
            ["prediction_id"],
            ["predictions.id"],
            name=op.f("fk_drawings_prediction_id_predictions"),
            ondelete="CASCADE",
        ),
    )


def keep_confidences_in_notes() -> None:
    """Clamp confidences to 0..1 for the CHECK, and keep the original values in the notes."""
    result = op.get_bind().execute(
        sa.text(
            "UPDATE predictions SET"
            " notes = coalesce(notes || ' ', '') || '(confidence was ' || CAST(confidence AS VARCHAR) || ')',"
            " confidence = CASE WHEN confidence < 0 THEN 0 ELSE 1 END"
            " WHERE confidence < 0 OR confidence > 1"
        )
    )
    if result.rowcount:
        log.warning("%d predictions had a confidence outside 0..1; their notes say which", result.rowcount)


def downgrade() -> None:
    op.drop_table("drawings")
    with op.batch_alter_table("predictions") as predictions:
        predictions.drop_constraint(op.f("ck_predictions_confidence"), type_="check")
        predictions.alter_column(
            "created_at",
            existing_type=sa.DateTime(timezone=True),
            type_=sa.DateTime(),
            server_default=None,
            postgresql_using="created_at AT TIME ZONE 'UTC'",
        )
        predictions.drop_column("client")
        predictions.drop_column("request_id")
