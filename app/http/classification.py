from starlette.requests import Request

from app.http.idempotency import idempotent_request
from app.http.runtime import runtime_of
from app.http.telemetry import child_span
from app.services.classify import ClassifyCall


async def classify_and_store(request: Request, client: str, drawings: list[bytes], *, is_batch: bool = False) -> bytes:
    """Return the response body of `ClassifyService`."""
    idempotent = idempotent_request(request, client, drawings)
    state = request.scope["state"]
    call = ClassifyCall(drawings, state["request_id"], client, idempotent, is_batch, state.get("trace_id"))
    with child_span(request.scope, "classify and store"):
        answer = await runtime_of(request).classify.classify(call)
    # For telemetry.
    state["stored"] = len(answer.predictions)
    return answer.body
