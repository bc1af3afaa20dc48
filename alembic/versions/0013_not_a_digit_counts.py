"""Store `not_a_digit` of shadow predictions, show it in `v_results`, and count it by label.

Only adds, so the release before can still read and write. The counts are emptied, because they lack the new sums; like
those of revision 0009 they are then counted in steps.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from alembic import op

revision: str = "0013"
down_revision: str | Sequence[str] | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_since: str = "0005"

WITH_COLUMN = ("shadow_predictions", "label_changes", "shadow_changes")
COUNTS = ("label_counts", "shadow_counts")
SUMS = ("told", "not_digits")

# First the writers, then the tables in the order in which requests read them; in another order they might deadlock.
LOCKS = (
    "LOCK TABLE predictions, labels, reviews, shadow_predictions IN SHARE ROW EXCLUSIVE MODE",
    "LOCK TABLE v_label_counts, v_shadow_counts, shadow_predictions IN ACCESS EXCLUSIVE MODE",
)
OLD_FUNCTION = "note_shadow_prediction(integer, text, text, text, double precision, integer)"
NEW_FUNCTION = "note_shadow_prediction(shadow_predictions, integer)"

V_RESULTS = """
CREATE {}VIEW v_results AS
SELECT predictions.id, predictions.prediction, labels.label, labels.label = predictions.prediction AS correct,
  predictions.confidence, predictions.model_version, predictions.created_at, predictions.notes,
  labels.source AS labelled_by, labels.created_at AS labelled_at{}
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

COUNT_AGAIN = (
    "DELETE FROM prediction_counts",
    "DELETE FROM label_counts",
    "DELETE FROM calibration_counts",
    "DELETE FROM shadow_counts",
    "DELETE FROM prediction_changes",
    "DELETE FROM label_changes",
    "DELETE FROM shadow_changes",
    "DELETE FROM uncounted_predictions",
    "INSERT INTO uncounted_predictions SELECT (SELECT min(id) FROM predictions), (SELECT max(id) FROM predictions)"
    " WHERE EXISTS (SELECT 1 FROM predictions)",
)


def upgrade() -> None:
    lock_tables()
    if not is_postgresql():
        drop_replaced()
    for table in WITH_COLUMN:
        op.add_column(table, sa.Column("not_a_digit", sa.Float(), nullable=True))
    for table in COUNTS:
        for name in SUMS:
            op.add_column(table, sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    for _, _, statement in replacements():
        execute(statement)
    if is_postgresql():
        op.execute(f"DROP FUNCTION {OLD_FUNCTION}")
    else:
        op.execute("DROP VIEW v_results")
    op.execute(V_RESULTS.format("OR REPLACE " if is_postgresql() else "", ", predictions.not_a_digit"))
    for statement in COUNT_AGAIN:
        op.execute(statement)


def downgrade() -> None:
    lock_tables()
    drop_replaced()
    op.execute("DROP VIEW v_accuracy_by_version")
    op.execute("DROP VIEW v_results")
    op.execute(V_RESULTS.format("", ""))
    op.execute(V_ACCURACY_BY_VERSION)
    for table in COUNTS:
        for name in SUMS:
            op.drop_column(table, name)
    for table in WITH_COLUMN:
        op.drop_column(table, "not_a_digit")
    earlier = {(kind, name): statement for kind, name, statement in statements("0009_counts")}
    for kind, name, _ in replacements():
        execute(re.sub("^CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", earlier[kind, name], flags=re.MULTILINE))
    if is_postgresql():
        op.execute(f"DROP FUNCTION {NEW_FUNCTION}")


def is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def lock_tables() -> None:
    for lock in LOCKS if is_postgresql() else ():
        op.execute(lock)


def drop_replaced() -> None:
    """Drop what has a column that goes; on PostgreSQL these are views."""
    for kind, name, _ in reversed(replacements()):
        if not is_postgresql() or kind == "VIEW":
            op.execute(f"DROP {kind} {name}")


def replacements() -> list[tuple[str, str, str]]:
    return statements(Path(__file__).stem)


def statements(stem: str) -> list[tuple[str, str, str]]:
    """Return the kind, the name and the text of statements, which empty lines divide."""
    sql = Path(__file__).with_name(f"{stem}.{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    created = re.compile(r"^CREATE (?:OR REPLACE )?(\w+) (\w+)", re.MULTILINE)
    return [(match[1], match[2], part) for part in sql.split("\n\n") if (match := created.search(part))]


def execute(statement: str) -> None:
    # Alembic would take the ":00" of a time for a parameter.
    op.get_bind().exec_driver_sql(statement)
