from app.cli import context
from app.cli.options import Json, query_options
from app.cli.tables import (
    format_accuracy,
    format_bar,
    format_digit_or_not,
    format_digits,
    format_range,
    print_facts,
    print_table,
    share,
)
from app.cli.terminal import print_json
from app.schemas.stats import Stats, StatsQuery, Timeline, TimelineQuery


@query_options(StatsQuery)
def stats(query: StatsQuery, as_json: Json = False) -> None:
    """Show counts, confidence and accuracy of predictions.

    The newest hundred: python -m app stats --last 100
    """
    from app.services.stats import get_stats

    found = context.read(lambda session: get_stats(session, query))
    if as_json:
        print_json(found)
        return
    _print_summary(found)
    _print_model_versions(found)
    _print_digits(found)
    _print_confidence_histogram(found)


def _print_summary(stats: Stats) -> None:
    print_facts(
        {
            "predictions": stats.count,
            "mean confidence": share(stats.mean_confidence),
            "share not digits": share(stats.not_a_digit_share),
            "first (UTC)": stats.since,
            "last (UTC)": stats.until,
            "accuracy": format_accuracy(stats.accuracy),
            "  drawn at random": format_accuracy(stats.accuracy_random),
            "  not at random": format_accuracy(stats.accuracy_rest),
            "  labelled with a digit": format_digits(stats.accuracy),
            "labelled none": format_digit_or_not(stats.accuracy),
        }
    )


def _print_model_versions(stats: Stats) -> None:
    print_table(
        ("model version", "predictions", "mean confidence", "share not digits", "accuracy"),
        [
            (
                name,
                version.count,
                share(version.mean_confidence),
                share(version.not_a_digit_share),
                format_accuracy(version.accuracy),
            )
            for name, version in stats.model_versions.items()
        ],
        blank_before=True,
    )


def _print_digits(stats: Stats) -> None:
    largest = max(digit.count for digit in stats.digits.values())
    print_table(
        ("digit", "predictions", "mean confidence", ""),
        [
            (name, digit.count, share(digit.mean_confidence), format_bar(digit.count, largest))
            for name, digit in stats.digits.items()
        ],
        blank_before=True,
    )


def _print_confidence_histogram(stats: Stats) -> None:
    largest = max(part.count for part in stats.confidence_histogram)
    print_table(
        ("confidence", "predictions", ""),
        [
            (format_range(part.lower, part.upper), part.count, format_bar(part.count, largest))
            for part in stats.confidence_histogram
        ],
        blank_before=True,
    )


@query_options(TimelineQuery)
def timeline(query: TimelineQuery, as_json: Json = False) -> None:
    """Count predictions by hour, day or week.

    Example: python -m app timeline --bucket hour --since 2026-11-20
    """
    from app.services.stats import get_timeline

    found = context.read(lambda session: get_timeline(session, query))
    if as_json:
        print_json(found)
    else:
        _print_timeline(found)


def _print_timeline(timeline: Timeline) -> None:
    largest = max((bucket.count for bucket in timeline.buckets), default=0)
    print_table(
        (f"{timeline.bucket} (UTC)", "predictions", "", "mean confidence", "share not digits", "accuracy"),
        [
            (
                f"{bucket.start:%Y-%m-%d %H:%M}",
                bucket.count,
                format_bar(bucket.count, largest),
                share(bucket.mean_confidence),
                share(bucket.not_a_digit_share),
                format_accuracy(bucket.accuracy),
            )
            for bucket in timeline.buckets
        ],
    )
