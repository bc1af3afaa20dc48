from app.cli import context
from app.cli.options import Json, query_options
from app.cli.tables import print_table
from app.cli.terminal import print_json, say
from app.schemas.audit import AuditQuery


@query_options(AuditQuery)
def audit(query: AuditQuery, as_json: Json = False) -> None:
    """List who read, changed or deleted what, the newest first.

    Example: python -m app audit --key phone --since 2026-11-01
    """
    from app.services.audit import list_page

    page = context.read(lambda session: list_page(session, query))
    if as_json:
        print_json(page)
        return
    rows = [(entry.at, entry.key, entry.action, entry.record, entry.request_id) for entry in page.entries]
    print_table(("time (UTC)", "key", "action", "record", "request id"), rows)
    if page.next is not None:
        say(f"There are more entries: add --cursor {page.next}.")
