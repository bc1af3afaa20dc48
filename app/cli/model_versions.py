"""`models`."""

from app.cli import context
from app.cli.stats import accuracy
from app.cli.tables import print_table
from app.cli.terminal import Json, print_json
from app.schemas.model_versions import ModelVersions


def models(as_json: Json = False) -> None:
    """List the models that answer, answered, or only listen.

    Example: python -m app models
    """
    from app.services.model_versions import LoadedModel, Role, get_model_versions

    loaded: dict[Role, LoadedModel] = {"live": context.loaded_model()}
    if (listening := context.shadow_model()) is not None:
        loaded["shadow"] = listening
    found = context.read(lambda session: get_model_versions(session, loaded))
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
