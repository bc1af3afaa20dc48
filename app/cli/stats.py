"""Commands that put the service into numbers: how many, how sure, how right; over all, over time, model by model."""

from app.cli import context
from app.cli.options import takes
from app.cli.tables import bar, print_facts, print_table
from app.cli.terminal import Json, print_json
from app.schemas.stats import Accuracy, Stats, StatsQuery, Timeline, TimelineQuery


@takes(StatsQuery)
def stats(query: StatsQuery, as_json: Json = False) -> None:
    """Count predictions: how many, how sure, and how right.

    The newest hundred: python -m app stats --last 100
    """
    # Imported in the commands because what lies behind it, SciPy above all, takes longer to load than `--help` may.
    from app.services.stats import get_stats

    found = context.read(lambda session: get_stats(session, query))
    if as_json:
        print_json(found)
    else:
        _print_stats(found)


def _print_stats(found: Stats) -> None:
    print_facts(
        {
            "predictions": found.count,
            "mean confidence": found.mean_confidence,
            "first (UTC)": found.since,
            "last (UTC)": found.until,
            "accuracy": accuracy(found.accuracy),
            "  drawn at random": accuracy(found.accuracy_random),
            "  of the others": accuracy(found.accuracy_rest),
        }
    )
    print_table(
        ("model version", "predictions", "mean confidence", "accuracy"),
        [
            (name, version.count, version.mean_confidence, accuracy(version.accuracy))
            for name, version in found.model_versions.items()
        ],
        below=True,
    )
    most = max(digit.count for digit in found.digits.values())
    print_table(
        ("digit", "predictions", "mean confidence", ""),
        [(name, digit.count, digit.mean_confidence, bar(digit.count, most)) for name, digit in found.digits.items()],
        below=True,
    )
    most = max(part.count for part in found.confidence_histogram)
    print_table(
        ("confidence", "predictions", ""),
        [
            (f"{part.lower:.1f} to {part.upper:.1f}", part.count, bar(part.count, most))
            for part in found.confidence_histogram
        ],
        below=True,
    )


def accuracy(known: Accuracy) -> str | None:
    """Return an accuracy with what it rests on, or None when nothing is labelled."""
    if known.accuracy is None or known.interval is None:
        return None
    low, high = known.interval
    return f"{known.accuracy:.3f} ({low:.3f} to {high:.3f}; {known.correct} of {known.labelled})"


@takes(TimelineQuery)
def timeline(query: TimelineQuery, as_json: Json = False) -> None:
    """Count predictions hour by hour, day by day or week by week.

    Example: python -m app timeline --bucket hour --since 2026-11-20
    """
    from app.services.stats import get_timeline

    found: Timeline = context.read(lambda session: get_timeline(session, query))
    if as_json:
        print_json(found)
        return
    most = max((bucket.count for bucket in found.buckets), default=0)
    print_table(
        (f"{found.bucket} (UTC)", "predictions", "", "mean confidence", "accuracy"),
        [
            (
                f"{bucket.start:%Y-%m-%d %H:%M}",
                bucket.count,
                bar(bucket.count, most),
                bucket.mean_confidence,
                accuracy(bucket.accuracy),
            )
            for bucket in found.buckets
        ],
    )
