from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.drawings.shape import DIGITS
from app.repository import stats as repository
from app.repository.stats import FIRST_MONDAY
from app.schemas.stats import Bucket, BucketSize, ConfidenceBin, Stats, StatsQuery, Timeline, TimelineQuery
from app.services.errors import InvalidInput
from app.services.stats_counter import StatsCounter

MAX_BUCKETS: Final = 1000
BINS: Final = 10

_LENGTH: Final[dict[BucketSize, timedelta]] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
# The default length of a timeline.
_SPAN: Final[dict[BucketSize, timedelta]] = {
    "hour": timedelta(hours=48),
    "day": timedelta(days=30),
    "week": timedelta(weeks=26),
}


class _Groups:
    def __init__(self) -> None:
        self.all = StatsCounter()
        self.digits: defaultdict[str, StatsCounter] = defaultdict(StatsCounter)
        self.versions: defaultdict[str, StatsCounter] = defaultdict(StatsCounter)

    def add_answers(self, row: Row[Any]) -> None:
        for counter in (self.all, self.digits[row.prediction], self.versions[row.model_version]):
            counter.add_answers(row)

    def add_labels(self, row: Row[Any]) -> None:
        for counter in (self.all, self.versions[row.model_version]):
            counter.add_labels(row)

    def members(self) -> dict[str, Any]:
        return {
            "count": self.all.count,
            "mean_confidence": self.all.mean_confidence,
            "not_a_digit_share": self.all.not_a_digit_share,
            "digits": {name: self.digits[name].as_confidence() for name in (*DIGITS, *self._other_predictions())},
            "model_versions": {name: counter.as_version() for name, counter in sorted(self.versions.items())},
            "accuracy": self.all.accuracy.result(),
        }

    def _other_predictions(self) -> list[str]:
        """From other models, or from rows inserted by hand."""
        return sorted(set(self.digits) - set(DIGITS))


def get_stats(session: Session, query: StatsQuery) -> Stats:
    """Return statistics; raise InvalidInput for contradicting conditions."""
    if query.last is None:
        selection = repository.select_all(session, query.model_version, query.since, query.until)
    elif query.since is None and query.until is None:
        selection = repository.select_newest(session, query.last, query.model_version)
    else:
        raise InvalidInput("last", "cannot be combined with since or until; leave one of them out")
    ends = repository.find_ends(session, selection)
    groups, bins, drawn_at_random, rest = _Groups(), [0] * BINS, StatsCounter(), StatsCounter()
    for row in repository.count_by_confidence(session, selection):
        groups.add_answers(row)
        bins[row.tenth] += row.size
    for row in repository.count_labels(session, selection):
        groups.add_labels(row)
        (drawn_at_random if row.sampled else rest).add_labels(row)
    return Stats(
        **groups.members(),
        since=min(ends, default=None),
        until=max(ends, default=None),
        confidence_histogram=[
            ConfidenceBin(lower=place / BINS, upper=(place + 1) / BINS, count=count) for place, count in enumerate(bins)
        ],
        accuracy_random=drawn_at_random.accuracy.result(),
        accuracy_rest=rest.accuracy.result(),
    )


def get_timeline(session: Session, query: TimelineQuery) -> Timeline:
    """Return statistics by bucket, empty ones too; raise InvalidInput for too many."""
    length = _LENGTH[query.bucket]
    until = query.until or datetime.now(UTC)
    since = query.since or _start_of((until - _SPAN[query.bucket] - FIRST_MONDAY) // length, length)
    places = range((since - FIRST_MONDAY) // length, -((FIRST_MONDAY - until) // length))
    if len(places) > MAX_BUCKETS:
        raise InvalidInput(
            "bucket", f"{len(places):,} buckets are more than {MAX_BUCKETS:,}; choose a larger bucket or a shorter time"
        )
    buckets = {place: _Groups() for place in places}
    selection, seconds = repository.select_all(session, query.model_version, since, until), int(length.total_seconds())
    # SQLite may hold an impossible date, whose bucket is not in the timeline.
    for row in repository.count_by_time(session, selection, seconds):
        if row.bucket in buckets:
            buckets[row.bucket].add_answers(row)
    for row in repository.count_labels_by_time(session, selection, seconds):
        if row.bucket in buckets:
            buckets[row.bucket].add_labels(row)
    return Timeline(
        bucket=query.bucket,
        buckets=[Bucket(start=_start_of(place, length), **groups.members()) for place, groups in buckets.items()],
    )


def _start_of(place: int, length: timedelta) -> datetime:
    return FIRST_MONDAY + place * length
