"""Keep the labelled predictions with their current labels in a table of their own, with an index for two filters.

Triggers keep it; storing a drawing changes none of its rows. The release before can still read and write. Labels from
before are added later, in steps: see `app/services/counts.py`. Until then the filters read predictions.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0014"
down_revision: str | Sequence[str] | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_since: str = "0005"

INDEXES = {
    "ix_labelled_predictions_label_prediction_id_confidence": ("label prediction_id confidence", None),
    "ix_labelled_predictions_label_prediction_prediction_id": ("label prediction prediction_id", None),
    "ix_labelled_predictions_label_model_version_prediction_id": ("label model_version prediction_id", None),
    "ix_labelled_predictions_prediction_prediction_id": ("prediction prediction_id", None),
    "ix_labelled_predictions_model_version_prediction_id": ("model_version prediction_id", None),
    "ix_labelled_predictions_low_confidence": ("prediction_id label confidence", "confidence <= 0.9"),
    "ix_labelled_predictions_maybe_not_a_digit": ("prediction_id label not_a_digit", "not_a_digit >= 0.1"),
}

LIST = """
INSERT INTO labelled_predictions (prediction_id, label, prediction, model_version, confidence, not_a_digit)
SELECT predictions.id, label, prediction, model_version, confidence, not_a_digit
FROM labels JOIN predictions ON predictions.id = labels.prediction_id
WHERE predictions.id = {0} ORDER BY labels.id DESC LIMIT 1;
"""
LIST_LATER = """
INSERT INTO unlisted_predictions
SELECT (SELECT min(prediction_id) FROM labels), (SELECT max(prediction_id) FROM labels)
WHERE EXISTS (SELECT 1 FROM labels)
"""
UNLIST = "DELETE FROM labelled_predictions WHERE prediction_id = {0};"
# Of two labels at once, the second must see the first.
LOCK = "PERFORM 1 FROM predictions WHERE id = {0} FOR NO KEY UPDATE;"

# An event, and whose labels it may change.
TRIGGERS = {
    "list_label": ("INSERT ON labels", "NEW.prediction_id"),
    "list_changed_label": ("UPDATE ON labels", "NEW.prediction_id"),
    "list_moved_label": ("UPDATE OF prediction_id ON labels", "OLD.prediction_id"),
    "list_deleted_label": ("DELETE ON labels", "OLD.prediction_id"),
    "list_changed_prediction": (
        "UPDATE OF prediction, model_version, confidence, not_a_digit ON predictions",
        "NEW.id",
    ),
    "list_deleted_prediction": ("DELETE ON predictions", "OLD.id"),
}
# On PostgreSQL only.
LOCK_TABLES = "LOCK TABLE predictions, labels, labelled_predictions IN ACCESS EXCLUSIVE MODE"
FORGET = "forget_labelled_predictions"
FORGETTING = (
    "CREATE OR REPLACE FUNCTION forget_labelled_predictions() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN DELETE FROM labelled_predictions; RETURN NULL; END $$",
    "CREATE OR REPLACE TRIGGER forget_labelled_predictions AFTER TRUNCATE ON labels"
    " FOR EACH STATEMENT EXECUTE FUNCTION forget_labelled_predictions()",
)


def upgrade() -> None:
    # On PostgreSQL, a run that failed later has made it.
    if not sa.inspect(op.get_bind()).has_table("labelled_predictions"):
        create_tables()
    commit()
    # Each for itself, because a migration that has locked one table and waits for the next may deadlock with a request.
    for name, (event, id_) in TRIGGERS.items():
        create_trigger(name, event, id_)
        commit()
    if is_postgresql():
        for statement in FORGETTING:
            op.execute(statement)
        commit()
    # Rows from the time when only some of the triggers were there.
    op.execute("DELETE FROM labelled_predictions")
    # After the triggers, whose creation waits for running transactions.
    op.execute(LIST_LATER)


def create_tables() -> None:
    op.create_table(
        "labelled_predictions",
        sa.Column("prediction_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("prediction", sa.String(), nullable=False),
        sa.Column("model_version", sa.String(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("not_a_digit", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("prediction_id"),
    )
    op.create_table(
        "unlisted_predictions",
        sa.Column("first", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("first"),
    )
    for name, (columns, condition) in INDEXES.items():
        where = None if condition is None else sa.text(condition)
        table = "labelled_predictions"
        op.create_index(op.f(name), table, columns.split(), sqlite_where=where, postgresql_where=where)


def create_trigger(name: str, event: str, id_: str) -> None:
    statements = UNLIST.format(id_) + LIST.format(id_)
    if not is_postgresql():
        op.execute(f"CREATE TRIGGER {name} AFTER {event} BEGIN {statements} END")
        return
    op.execute(
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {LOCK.format(id_)} {statements} RETURN NULL; END $$"
    )
    op.execute(f"CREATE OR REPLACE TRIGGER {name} AFTER {event} FOR EACH ROW EXECUTE FUNCTION {name}()")


def downgrade() -> None:
    # In the transaction of the revision: nothing would make them again after a failure.
    if is_postgresql():
        op.execute(LOCK_TABLES)
        for name, (event, _) in (TRIGGERS | {FORGET: ("TRUNCATE ON labels", "")}).items():
            op.execute(f"DROP TRIGGER {name} ON {event.split()[-1]}")
            op.execute(f"DROP FUNCTION {name}")
    else:
        for name in TRIGGERS:
            op.execute(f"DROP TRIGGER {name}")
    op.drop_table("unlisted_predictions")
    op.drop_table("labelled_predictions")


def commit() -> None:
    """On PostgreSQL, commit what was done, so that requests do not wait for it."""
    if is_postgresql():
        with op.get_context().autocommit_block():
            pass


def is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
