"""Add tables with counts, so that statistics need not read each prediction.

Triggers note each change of a row, and sometimes add the noted changes to the counts; their SQL is in the files beside
this one. Only adds, so the release before can still read and write. Rows from before are counted later, in steps: see
`app/services/counts.py`. Until then the statistics read the rows.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from alembic import op

revision: str = "0009"
down_revision: str | Sequence[str] | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_since: str = "0005"

COUNT_UNCOUNTED = """
INSERT INTO uncounted_predictions
SELECT (SELECT min(id) FROM predictions), (SELECT max(id) FROM predictions) WHERE EXISTS (SELECT 1 FROM predictions)
"""


def upgrade() -> None:
    create_counts()
    create_changes()
    for statement in statements():
        # Alembic would take the ":00" of a time for a parameter.
        op.get_bind().exec_driver_sql(statement)
    # After the triggers, whose creation waits for running transactions.
    op.execute(COUNT_UNCOUNTED)


def downgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    kinds = "VIEW|TRIGGER" if is_sqlite else "VIEW|FUNCTION"
    for kind, name in reversed(re.findall(rf"^CREATE ({kinds}) (\w+)", sql(), re.MULTILINE)):
        # On PostgreSQL with the triggers of the function.
        op.execute(f"DROP {kind} {name}" + ("" if is_sqlite else " CASCADE"))
    for name in ("shadow_changes", "label_changes", "prediction_changes", "uncounted_predictions"):
        op.drop_table(name)
    for name in ("shadow_counts", "calibration_counts", "label_counts", "prediction_counts"):
        op.drop_table(name)


def sql() -> str:
    return Path(__file__).with_suffix(f".{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")


def statements() -> list[str]:
    """Return the statements, which empty lines divide."""
    return [part for part in sql().split("\n\n") if re.search(r"^[^-]", part, re.MULTILINE)]


def create_counts() -> None:
    create_count_table("prediction_counts", "period start model_version prediction tenth", "millionths told not_digits")
    create_count_table("label_counts", "period start model_version sampled correct not_a_digit")
    create_count_table("calibration_counts", "model_version sampled millionths correct")
    create_count_table(
        "shadow_counts", "model_version model_sha256 agreed labelled correct answered_correct not_a_digit", "millionths"
    )
    op.create_table(
        "uncounted_predictions",
        sa.Column("first", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("first"),
    )


def create_count_table(name: str, key: str, sums: str = "") -> None:
    types: dict[str, sa.types.TypeEngine[object]] = {
        **dict.fromkeys(("period", "model_version", "model_sha256", "prediction"), sa.String()),
        **dict.fromkeys(("sampled", "correct", "not_a_digit", "agreed", "labelled", "answered_correct"), sa.Boolean()),
        **dict.fromkeys(("size", "millionths", "told", "not_digits"), sa.BigInteger()),
        "start": sa.DateTime(timezone=True),
        "tenth": sa.Integer(),
    }
    names = [*key.split(), "size", *sums.split()]
    columns = [sa.Column(column, types[column], nullable=False) for column in names]
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key.split()), sqlite_with_rowid=False)


def create_changes() -> None:
    """Create the tables that triggers fill and empty. `sign` is -1 for what was, 1 for what is."""
    op.create_table(
        "prediction_changes",
        sa.Column("created_at", sa.DateTime(timezone=True)),
        sa.Column("model_version", sa.String()),
        sa.Column("prediction", sa.String()),
        sa.Column("confidence", sa.Float()),
        sa.Column("not_a_digit", sa.Float()),
        sa.Column("sign", sa.Integer()),
    )
    op.create_table(
        "label_changes",
        sa.Column("prediction_id", sa.Integer()),
        sa.Column("created_at", sa.DateTime(timezone=True)),
        sa.Column("model_version", sa.String()),
        sa.Column("prediction", sa.String()),
        sa.Column("confidence", sa.Float()),
        sa.Column("label", sa.String()),
        sa.Column("sampled", sa.Boolean()),
        sa.Column("sign", sa.Integer()),
    )
    op.create_table(
        "shadow_changes",
        sa.Column("model_version", sa.String()),
        sa.Column("model_sha256", sa.String()),
        sa.Column("prediction", sa.String()),
        sa.Column("confidence", sa.Float()),
        sa.Column("answered", sa.String()),
        sa.Column("label", sa.String()),
        sa.Column("sign", sa.Integer()),
    )
