"""Leave out drawings that are probably not digits when `GET /review` offers small margins.

A margin is at most 1 - `not_a_digit`, so they came before every doubtful digit. They have a queue of their own. No
table changes, so the release before can still read and write.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0015"
down_revision: str | Sequence[str] | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_since: str = "0005"

UNLABELLED = """
CREATE {}VIEW unlabelled_drawings AS
SELECT queue, priority, prediction_id FROM (
  SELECT 'margin' AS queue, margin AS priority, prediction_id FROM drawings WHERE margin <= 0.8{}
  UNION ALL
  SELECT 'not_a_digit', -id, id FROM predictions WHERE not_a_digit >= 0.1 AND not_a_digit > 0.5
  UNION ALL
  SELECT 'sample', 0, prediction_id FROM reviews WHERE sampled
) AS candidates
WHERE EXISTS (SELECT 1 FROM predictions WHERE predictions.id = candidates.prediction_id)
  AND NOT EXISTS (SELECT 1 FROM labels WHERE labels.prediction_id = candidates.prediction_id)
"""
IS_DIGIT = """
    AND NOT EXISTS (SELECT 1 FROM predictions WHERE id = drawings.prediction_id AND not_a_digit > 0.5)"""

UNQUEUE = """
DELETE FROM review_queue WHERE queue = 'margin'
  AND prediction_id IN (SELECT prediction_id FROM review_queue WHERE queue = 'not_a_digit')
"""
QUEUE_AGAIN = """
INSERT INTO review_queue (queue, priority, prediction_id)
SELECT 'margin', margin, drawings.prediction_id
FROM review_queue JOIN drawings ON drawings.prediction_id = review_queue.prediction_id
WHERE queue = 'not_a_digit' AND margin <= 0.8 ON CONFLICT DO NOTHING
"""
LOCK = "LOCK TABLE predictions, drawings, labels, reviews, review_queue IN ACCESS EXCLUSIVE MODE"


def upgrade() -> None:
    replace_view(IS_DIGIT)
    if is_postgresql():
        # A request that holds a row of the queue and waits for the view would deadlock with the next statement.
        with op.get_context().autocommit_block():
            pass
    op.execute(UNQUEUE)


def downgrade() -> None:
    if is_postgresql():
        op.execute(LOCK)
    replace_view("")
    op.execute(QUEUE_AGAIN)


def replace_view(condition: str) -> None:
    """Replace the view; on PostgreSQL it keeps its privileges."""
    if not is_postgresql():
        op.execute("DROP VIEW unlabelled_drawings")
    op.execute(UNLABELLED.format("OR REPLACE " if is_postgresql() else "", condition))


def is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
