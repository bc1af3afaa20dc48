from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.http import rate_limit_admin
from app.http.authentication import AdminKey
from app.http.headers import link_to_next
from app.http.openapi import NEXT_PAGE, documented
from app.http.reads import scan
from app.http.routing import ApiRoute
from app.schemas.audit import AuditPage, AuditQuery
from app.services import audit

router = APIRouter(tags=["keys"], route_class=ApiRoute)


@router.get(
    "/audit",
    dependencies=[AdminKey],
    responses={200: {"headers": NEXT_PAGE}, **documented(401, 403, 422, 429, 503)},
    summary="List who did what, newest first",
)
@rate_limit_admin.reads
async def list_audit(request: Request, response: Response, query: Annotated[AuditQuery, Query()]) -> AuditPage:
    """List reads of drawings, exports, labels, changes, deletions and changes of keys."""
    page = await scan(request, lambda session: audit.list_page(session, query))
    link_to_next(request, response, page.next)
    return page
