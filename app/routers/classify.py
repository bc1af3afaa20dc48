"""`POST /classify`: a drawing goes in, the answer comes out, and it is on disk before it does."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import msgspec
import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.classifier import get_classifier
from app.db import get_database
from app.errors import InvalidInput, documented
from app.rate_limit import count_call
from app.repository.predictions import NewPrediction, add_prediction
from app.schemas.drawings import SIDE, ClassifyRequest, ClassifyResponse
from app.security import Client


class BytesRoute(APIRoute):
    """A route that reads the request itself: documented like any other, called with the request and the key's name.

    FastAPI would look for parameters and dependencies in every request anew, which takes longer than to classify it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request; fail when the route has grown a dependency that this would not run."""
        (known_key,) = [dependency.call for dependency in self.dependant.dependencies if dependency.call]
        endpoint = self.endpoint

        async def answer(request: Request) -> Response:
            response: Response = await endpoint(request=request, client=await known_key(request))
            return response

        return answer


router = APIRouter(tags=["classify"], route_class=BytesRoute)

Pixel = Annotated[int, msgspec.Meta(ge=0, le=255)]
Row = Annotated[list[Pixel], msgspec.Meta(min_length=SIDE, max_length=SIDE)]


class _Drawing(msgspec.Struct, forbid_unknown_fields=True):
    """What `ClassifyRequest` says, for a decoder that is three times as fast; a test holds the two together."""

    pixels: Annotated[list[Row], msgspec.Meta(min_length=SIDE, max_length=SIDE)]


_decode = msgspec.json.Decoder(_Drawing).decode

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ClassifyRequest"}}},
    }
}


@router.post(
    "/classify",
    response_model=ClassifyResponse,
    responses=documented(401, 413, 422, 429, 503, 507),
    openapi_extra=_BODY,
    summary="Classify a drawing and remember the answer",
)
async def classify_drawing(request: Request, client: Client) -> Response:
    """Say which digit the drawing shows.

    The drawing is 28 rows of 28 whole numbers, 0 for background and 255 for ink; where the digit lies, how big it is
    and how thick its lines are does not matter. **A 200 means that the row with this `id` is on disk**; if it could
    not be stored, the answer is 503 or 507 and nothing is.
    """
    count_call(request)
    pixels = parse_drawing(await request.body())
    classifier = get_classifier()
    # Classified on the event loop: it takes a tenth of a millisecond, and no transaction is open meanwhile.
    answer = classifier.classify_batch(np.frombuffer(pixels, np.uint8).reshape(1, SIDE, SIDE))[0]
    new = NewPrediction(
        prediction=answer["prediction"],
        confidence=answer["confidence"],
        model_version=classifier.version,
        request_id=request.state.request_id,
        client=client,
        pixels=pixels,
        scores=answer["scores"],
    )

    def remember(session: Session) -> ClassifyResponse:
        prediction_id, created_at = add_prediction(session, new)
        return ClassifyResponse(
            id=prediction_id,
            prediction=new.prediction,
            confidence=new.confidence,
            scores=new.scores,
            model_version=new.model_version,
            created_at=created_at,
        )

    remembered = await get_database().write(remember)
    return Response(remembered.model_dump_json(), media_type="application/json")


def parse_drawing(body: bytes) -> bytes:
    """Return the drawing's 784 bytes, row by row; raise InvalidInput for anything but the documented body."""
    try:
        rows = _decode(body).pixels
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _invalid(body) from None
    # The only strings of a valid body are its keys, so more than one pair of quotes is the same key again, of which
    # JSON parsers silently take the last.
    if body.count(b'"') > 2:
        raise _invalid(body)
    return b"".join(map(bytes, rows))


def _invalid(body: bytes) -> InvalidInput:
    """Say where the body is wrong. pydantic says it better than the fast decoder, which only says that it is."""
    try:
        ClassifyRequest.model_validate_json(body)
    except ValidationError as error:
        return InvalidInput(error.errors(include_url=False, include_input=False), under=["body"])
    # pydantic looks at the last of several members with one name, so a body that it accepts has several.
    duplicate = {"loc": ["pixels"], "msg": "The key appears more than once", "type": "duplicate_key"}
    return InvalidInput([duplicate], under=["body"])
