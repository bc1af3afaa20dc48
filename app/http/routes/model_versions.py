from fastapi import APIRouter, Request

from app.classifier import Classifier
from app.http.authentication import ReadKeyUnlessPublic
from app.http.openapi import documented
from app.http.reads import scan
from app.http.routing import ApiRoute
from app.http.runtime import runtime_of
from app.schemas.model_versions import ModelVersions
from app.services import model_versions

router = APIRouter(tags=["model versions"], route_class=ApiRoute)


@router.get(
    "/models",
    dependencies=[ReadKeyUnlessPublic],
    responses=documented(401, 403, 422, 429, 503),
    summary="List the model versions and their accuracy",
)
async def list_models(request: Request) -> ModelVersions:
    """List the models that are loaded or have predictions, loaded ones first.

    A shadow model is compared with the stored predictions.
    """
    runtime = runtime_of(request)
    loaded: dict[model_versions.Role, Classifier] = {"live": runtime.classifier}
    if runtime.shadow is not None:
        loaded["shadow"] = runtime.shadow.classifier
    return await scan(request, lambda session: model_versions.get_model_versions(session, loaded))
