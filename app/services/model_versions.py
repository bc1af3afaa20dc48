import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.analysis.accuracy import DECIMALS, AccuracyCounter
from app.analysis.significance import mcnemar_exact
from app.classifier import Classifier
from app.repository import model_versions as repository
from app.repository import stats
from app.schemas.model_versions import ModelVersion, ModelVersions, ShadowStats
from app.services.stats_counter import StatsCounter

Role = Literal["live", "shadow"]

_ORDER: Final[tuple[Role, ...]] = ("live", "shadow")


class _ModelKey(NamedTuple):
    """Two files may have the same version. `sha256` is None for a file that is not loaded."""

    version: str
    sha256: str | None


@dataclass
class _ModelStats:
    answers: StatsCounter = field(default_factory=StatsCounter)
    shadow: StatsCounter = field(default_factory=StatsCounter)
    agreed: int = 0
    # The stored predictions for the labelled drawings of the shadow model.
    answered: AccuracyCounter = field(default_factory=AccuracyCounter)
    only_answered_correct: int = 0
    only_shadow_correct: int = 0
    times: list[datetime] = field(default_factory=list)

    def add_shadow(self, row: Row[Any]) -> None:
        self.shadow.add_answers(row)
        self.agreed += row.size * row.agreed
        if not row.labelled:
            return
        self.shadow.add_labels(row)
        self.answered.add(row.size, correct=row.answered_correct, not_a_digit=row.not_a_digit)
        self.only_answered_correct += row.size * (row.answered_correct and not row.correct)
        self.only_shadow_correct += row.size * (row.correct and not row.answered_correct)

    def add_times(self, row: Row[Any]) -> None:
        self.times += [time for time in (row.oldest, row.newest) if time is not None]

    def as_shadow(self) -> ShadowStats | None:
        if self.shadow.mean_confidence is None:
            return None
        return ShadowStats(
            predictions=self.shadow.count,
            mean_confidence=self.shadow.mean_confidence,
            not_a_digit_share=self.shadow.not_a_digit_share,
            agreed=self.agreed,
            agreement=round(self.agreed / self.shadow.count, DECIMALS),
            accuracy=self.shadow.accuracy.result(),
            accuracy_answered=self.answered.result(),
            only_answered_correct=self.only_answered_correct,
            only_shadow_correct=self.only_shadow_correct,
            p_value=mcnemar_exact(self.only_answered_correct, self.only_shadow_correct),
        )


def get_model_versions(session: Session, loaded: Mapping[Role, Classifier]) -> ModelVersions:
    # A model loaded as both counts as live.
    roles = {_ModelKey(loaded[role].version, loaded[role].sha256): role for role in reversed(_ORDER) if role in loaded}
    live = {key.version: key for key, role in roles.items() if role == "live"}
    by_key = defaultdict[_ModelKey, _ModelStats](_ModelStats, {key: _ModelStats() for key in roles})
    everything = stats.select_all(session)
    for row in stats.count_versions(session, everything):
        found = by_key[live.get(row.model_version, _ModelKey(row.model_version, None))]
        found.answers.add_answers(row)
        found.add_times(row)
    for row in stats.count_labels(session, everything):
        found = by_key[live.get(row.model_version, _ModelKey(row.model_version, None))]
        found.answers.add_labels(row)
    for row in repository.count_shadow(session):
        by_key[_ModelKey(row.model_version, row.model_sha256)].add_shadow(row)
    for row in repository.find_shadow_ends(session):
        by_key[_ModelKey(row.model_version, row.model_sha256)].add_times(row)
    models = []
    for key, found in sorted(by_key.items(), key=lambda item: (item[0].version, item[0].sha256 or "")):
        role = roles.get(key)
        models.append(_described(key, found, role, loaded[role].classes if role else None))
    return ModelVersions(models=sorted(models, key=_place))


def _described(key: _ModelKey, found: _ModelStats, role: Role | None, classes: list[str] | None) -> ModelVersion:
    return ModelVersion(
        version=key.version,
        loaded=role,
        sha256=key.sha256,
        classes=classes,
        predictions=found.answers.count,
        mean_confidence=found.answers.mean_confidence,
        not_a_digit_share=found.answers.not_a_digit_share,
        first_seen=min(found.times, default=None),
        last_seen=max(found.times, default=None),
        accuracy=found.answers.accuracy.result(),
        shadow=found.as_shadow(),
    )


def _place(model: ModelVersion) -> tuple[int, float]:
    newest_first = -model.last_seen.timestamp() if model.last_seen else math.inf
    return _ORDER.index(model.loaded) if model.loaded else len(_ORDER), newest_first
