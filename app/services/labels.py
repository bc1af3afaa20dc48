from sqlalchemy.orm import Session

from app.repository import labels
from app.schemas.audit import Action
from app.schemas.labels import LabelHistory, LabelRead, LabelUpdate
from app.services.audit import Actor, record
from app.services.results import TaggedResult, get_result, lock_unchanged


def list_labels(session: Session, prediction_id: int) -> LabelHistory:
    """Return the newest labels; raise NotFound."""
    get_result(session, prediction_id)
    rows = labels.list_labels(session, prediction_id)
    return LabelHistory(labels=[LabelRead.model_validate(row, from_attributes=True) for row in rows])


def set_label(
    session: Session, prediction_id: int, update: LabelUpdate, actor: Actor, tags: set[str] | None
) -> TaggedResult:
    """Add a label; raise NotFound or PreconditionFailed."""
    lock_unchanged(session, prediction_id, tags)
    labels.add_label(session, prediction_id, update.label, update.source or actor.key)
    record(session, actor, Action.LABEL, f"prediction {prediction_id}")
    return get_result(session, prediction_id)
