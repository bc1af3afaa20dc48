"""Commands that put the service into numbers: how many, how sure, how right; over all, over time, model by model."""

from app.cli import resources
from app.cli.options import takes
from app.cli.tables import bar, print_facts, print_table
from app.cli.terminal import Json, print_json
from app.schemas.model_versions import ModelVersions
from app.schemas.stats import Accuracy, Stats, StatsQuery, Timeline, TimelineQuery


@takes(StatsQuery)
def stats(query: StatsQuery, as_json: Json = False) -> None:
    """Count predictions: how many, how sure, and how right.

    The newest hundred: python -m app stats --last 100
    """
    # Imported in the commands because what lies behind it, SciPy above all, takes longer to load than `--help` may.
    from app.services.stats import get_stats

    found = resources.read(lambda session: get_stats(session, query))
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

    found: Timeline = resources.read(lambda session: get_timeline(session, query))
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


def models(as_json: Json = False) -> None:
    """List the models that answer, answered, or only listen.

    Example: python -m app models
    """
    from app.services.model_versions import LoadedModel, Role, get_model_versions

    loaded: dict[Role, LoadedModel] = {"live": resources.loaded_model()}
    if (listening := resources.shadow_model()) is not None:
        loaded["shadow"] = listening
    found = resources.read(lambda session: get_model_versions(session, loaded))
    if as_json:
        print_json(found)
    else:
        _print_models(found)


def _print_models(found: ModelVersions) -> None:
    print_table(
        ("model version", "loaded", "file", "predictions", "mean confidence", "accuracy", "last seen (UTC)"),
        [
            (
                model.version,
                model.loaded,
                model.sha256 and model.sha256[:8],
                model.predictions,
                model.mean_confidence,
                accuracy(model.accuracy),
                model.last_seen,
            )
            for model in found.models
        ],
    )
    listening = [(model.version, model.shadow) for model in found.models if model.shadow is not None]
    if listening:
        print_table(
            ("in the shadow", "drawings", "same answer", "accuracy", "accuracy of what was answered", "p"),
            [
                (
                    version,
                    shadow.predictions,
                    shadow.agreement,
                    accuracy(shadow.accuracy),
                    accuracy(shadow.accuracy_answered),
                    shadow.p_value,
                )
                for version, shadow in listening
            ],
            below=True,
        )
