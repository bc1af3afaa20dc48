from app.cli import context
from app.cli.options import Json
from app.cli.tables import PValue, Share, format_accuracy, format_digit_or_not, format_digits, print_table, share
from app.cli.terminal import print_json, say
from app.schemas.model_versions import BIASED_LABELS, ModelVersions


def models(as_json: Json = False) -> None:
    """List the loaded models and those with predictions.

    Example: python -m app models
    """
    from app.classifier import Classifier, get_classifier, get_shadow_classifier
    from app.services.model_versions import Role, get_model_versions

    loaded: dict[Role, Classifier] = {"live": get_classifier()}
    if (shadow := get_shadow_classifier()) is not None:
        loaded["shadow"] = shadow
    found = context.read(lambda session: get_model_versions(session, loaded))
    if as_json:
        print_json(found)
    else:
        _print_models(found)


def _print_models(found: ModelVersions) -> None:
    print_table(
        (
            "model version",
            "loaded",
            "file",
            "predictions",
            "mean confidence",
            "share not digits",
            "accuracy",
            "last seen (UTC)",
        ),
        [
            (
                model.version,
                model.loaded,
                model.sha256 and model.sha256[:8],
                model.predictions,
                share(model.mean_confidence),
                share(model.not_a_digit_share),
                format_accuracy(model.accuracy),
                model.last_seen,
            )
            for model in found.models
        ],
    )
    _print_not_a_digit(found)
    _print_shadows(found)


def _print_not_a_digit(found: ModelVersions) -> None:
    labelled = [
        (model.version, format_digits(model.accuracy), format_digit_or_not(model.accuracy))
        for model in found.models
        if model.accuracy.not_a_digit
    ]
    if labelled:
        print_table(("model version", "labelled with a digit", "labelled none"), labelled, blank_before=True)


def _print_shadows(found: ModelVersions) -> None:
    shadows = [
        (
            model.version,
            shadow.predictions,
            Share(shadow.agreement),
            share(shadow.not_a_digit_share),
            format_accuracy(shadow.accuracy),
            format_accuracy(shadow.accuracy_answered),
            PValue(shadow.p_value) if shadow.accuracy.labelled else None,
        )
        for model in found.models
        if (shadow := model.shadow) is not None
    ]
    if shadows:
        headings = (
            "shadow model",
            "drawings",
            "same answer",
            "share not digits",
            "accuracy",
            "accuracy of the answers",
            "p",
        )
        print_table(headings, shadows, blank_before=True)
        if any(model.shadow and model.shadow.accuracy.labelled for model in found.models):
            say(BIASED_LABELS)
