"""`GET /models`: the models that answer, that answered, and that listen in the shadow."""

from fastapi import APIRouter

from app.classifier import get_classifier, get_shadow_classifier
from app.database import get_database
from app.http.authentication import KeyUnlessPublic
from app.http.openapi import documented
from app.schemas.model_versions import ModelVersions
from app.services import model_versions

router = APIRouter(tags=["numbers"])


@router.get(
    "/models",
    dependencies=[KeyUnlessPublic],
    responses=documented(401, 429, 503),
    summary="The models and how good they are",
)
async def list_models() -> ModelVersions:
    """List every model that is loaded or left a trace: the loaded ones first, then the last seen.

    A shadow model is compared with what was answered to the drawings it saw.
    """
    loaded: dict[model_versions.Role, model_versions.LoadedModel] = {"live": get_classifier()}
    if (listening := get_shadow_classifier()) is not None:
        loaded["shadow"] = listening
    return await get_database().scan(lambda session: model_versions.get_model_versions(session, loaded))
