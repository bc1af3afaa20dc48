"""Keep the unlabelled drawings of `GET /review` in a table of their own, so that it does not read labelled ones again.

Triggers keep it. The release before can still read and write; its `GET /review` then reads more.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from alembic import op

revision: str = "0011"
down_revision: str | Sequence[str] | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_since: str = "0005"

RESERVED = "ix_reviews_reviewer_offered_at"
SMALL_MARGIN = "ix_drawings_small_margin"

UNLABELLED = """
CREATE VIEW unlabelled_drawings AS
SELECT queue, priority, prediction_id FROM (
  SELECT 'margin' AS queue, margin AS priority, prediction_id FROM drawings WHERE margin <= 0.8
  UNION ALL
  SELECT 'not_a_digit', -id, id FROM predictions WHERE not_a_digit >= 0.1 AND not_a_digit > 0.5
  UNION ALL
  SELECT 'sample', 0, prediction_id FROM reviews WHERE sampled
) AS candidates
WHERE EXISTS (SELECT 1 FROM predictions WHERE predictions.id = candidates.prediction_id)
  AND NOT EXISTS (SELECT 1 FROM labels WHERE labels.prediction_id = candidates.prediction_id)
"""
QUEUE_AGAIN = """
DELETE FROM review_queue WHERE prediction_id = {0} AND (queue, priority) NOT IN
  (SELECT queue, priority FROM unlabelled_drawings WHERE prediction_id = {0});
INSERT INTO review_queue (queue, priority, prediction_id)
SELECT queue, priority, prediction_id FROM unlabelled_drawings WHERE prediction_id = {0} ON CONFLICT DO NOTHING;
"""
END_OF_BATCH = """
SELECT max(id) FROM (SELECT id FROM predictions WHERE id > :after ORDER BY id LIMIT 10000) AS batch
"""
# On PostgreSQL, so that no prediction is deleted while it is queued. A deletion, and a label of release 0.9, waits for
# the batch, a fraction of a second.
LOCK_BATCH = """
SELECT count(*) FROM (
  SELECT 1 FROM predictions WHERE id IN (
    SELECT prediction_id FROM unlabelled_drawings WHERE prediction_id > :after AND prediction_id <= :last
  ) ORDER BY id FOR KEY SHARE
) AS locked
"""
QUEUE_BATCH = """
INSERT INTO review_queue (queue, priority, prediction_id)
SELECT queue, priority, prediction_id FROM unlabelled_drawings
WHERE prediction_id > :after AND prediction_id <= :last ON CONFLICT DO NOTHING
"""

LOCK = "LOCK TABLE predictions, drawings, labels, reviews, review_queue IN ACCESS EXCLUSIVE MODE"

UNQUEUE = "DELETE FROM review_queue WHERE prediction_id = {0};"

# What may put a drawing into a queue or take it out: an event, on which condition, whose id, and what to do.
TRIGGERS = {
    "queue_prediction": ("INSERT ON predictions", "NEW.not_a_digit > 0.5", "NEW.id", QUEUE_AGAIN),
    "queue_changed_prediction": ("UPDATE OF not_a_digit ON predictions", "true", "NEW.id", QUEUE_AGAIN),
    "queue_drawing": ("INSERT ON drawings", "NEW.margin <= 0.8", "NEW.prediction_id", QUEUE_AGAIN),
    "queue_changed_drawing": ("UPDATE OF margin ON drawings", "true", "NEW.prediction_id", QUEUE_AGAIN),
    "queue_deleted_drawing": ("DELETE ON drawings", "OLD.margin <= 0.8", "OLD.prediction_id", QUEUE_AGAIN),
    "queue_review": ("INSERT ON reviews", "NEW.sampled", "NEW.prediction_id", QUEUE_AGAIN),
    "queue_changed_review": ("UPDATE OF sampled ON reviews", "true", "NEW.prediction_id", QUEUE_AGAIN),
    "queue_deleted_review": ("DELETE ON reviews", "OLD.sampled", "OLD.prediction_id", QUEUE_AGAIN),
    "queue_label": ("INSERT ON labels", "true", "NEW.prediction_id", UNQUEUE),
    "queue_moved_label": ("UPDATE OF prediction_id ON labels", "true", "NEW.prediction_id", UNQUEUE),
    "queue_unmoved_label": ("UPDATE OF prediction_id ON labels", "true", "OLD.prediction_id", QUEUE_AGAIN),
    "queue_deleted_label": ("DELETE ON labels", "true", "OLD.prediction_id", QUEUE_AGAIN),
}


def upgrade() -> None:
    create_index(RESERVED, "reviews", ["reviewer", "offered_at"])
    # On PostgreSQL, a run that failed later has made it.
    if not sa.inspect(op.get_bind()).has_table("review_queue"):
        create_queue()
    commit()
    # Each for itself, because a migration that has locked one table and waits for the next may deadlock with a request.
    for name, (event, condition, id_, statements) in TRIGGERS.items():
        create_trigger(name, event, condition, statements.format(id_))
        commit()
    # Rows from the time when only some of the triggers were there.
    op.execute("DELETE FROM review_queue")
    commit()
    queue_all()
    drop_index(SMALL_MARGIN, "drawings")


def queue_all() -> None:
    bind, after = op.get_bind(), -(2**31)
    while (last := bind.scalar(sa.text(END_OF_BATCH), {"after": after})) is not None:
        batch = {"after": after, "last": last}
        if is_postgresql():
            bind.execute(sa.text(LOCK_BATCH), batch)
        bind.execute(sa.text(QUEUE_BATCH), batch)
        commit()
        after = last


def create_queue() -> None:
    op.create_table(
        "review_queue",
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("priority", sa.Float(), nullable=False),
        sa.Column("prediction_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["prediction_id"],
            ["predictions.id"],
            name=op.f("fk_review_queue_prediction_id_predictions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("queue", "priority", "prediction_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_review_queue_prediction_id"), "review_queue", ["prediction_id"])
    op.execute(UNLABELLED)


def downgrade() -> None:
    create_index(SMALL_MARGIN, "drawings", ["margin", "prediction_id"], "margin <= 0.8")
    # In the transaction of the revision: nothing would make them again after a failure.
    if is_postgresql():
        op.execute(LOCK)
    op.drop_index(op.f(RESERVED), "reviews")
    for name, (event, *_) in TRIGGERS.items():
        if is_postgresql():
            op.execute(f"DROP TRIGGER {name} ON {event.split()[-1]}")
            op.execute(f"DROP FUNCTION {name}")
        else:
            op.execute(f"DROP TRIGGER {name}")
    op.execute("DROP VIEW unlabelled_drawings")
    op.drop_table("review_queue")


def create_trigger(name: str, event: str, condition: str, statements: str) -> None:
    if not is_postgresql():
        op.execute(f"CREATE TRIGGER {name} AFTER {event} WHEN {condition} BEGIN {statements} END")
        return
    op.execute(
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {statements} RETURN NULL; END $$"
    )
    op.execute(
        f"CREATE OR REPLACE TRIGGER {name} AFTER {event} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {name}()"
    )


def create_index(name: str, table: str, columns: list[str], where: str | None = None) -> None:
    condition = None if where is None else sa.text(where)
    # A failed CREATE INDEX CONCURRENTLY leaves an invalid index with this name.
    drop_index(name, table)
    with in_pieces():
        op.create_index(
            op.f(name),
            table,
            columns,
            postgresql_concurrently=True,
            sqlite_where=condition,
            postgresql_where=condition,
        )


def drop_index(name: str, table: str) -> None:
    with in_pieces():
        op.drop_index(op.f(name), table, if_exists=True, postgresql_concurrently=True)


def commit() -> None:
    """On PostgreSQL, commit what was done, so that requests do not wait for it."""
    with in_pieces():
        pass


@contextmanager
def in_pieces() -> Iterator[None]:
    """On PostgreSQL, commit each statement separately, so that requests do not wait for them."""
    if not is_postgresql():
        yield
        return
    with op.get_context().autocommit_block():
        yield


def is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
