from app.cli import context
from app.cli.options import Json
from app.cli.prune import COMPACT
from app.cli.tables import print_facts
from app.cli.terminal import print_json, progress_bar, say


def pack(as_json: Json = False) -> None:
    """Pack the drawings of an upgraded database.

    The service may run, and an interrupted run can be repeated. Services of 0.9 are not ready
    afterwards: they cannot read packed drawings.

    Example: python -m app pack
    """
    from app.services.pack import pack_all

    # Without a service, nothing else would checkpoint the WAL.
    with progress_bar("Packing") as progress, context.open_database(beside_service=False) as database:
        packed = pack_all(database, progress)
    if as_json:
        print_json(packed)
    else:
        print_facts({"drawings packed": packed.drawings})
        say("PostgreSQL's autovacuum frees the space. To make an SQLite file smaller, stop the service and run:")
        say(f'  sqlite3 FILE "{COMPACT}"')
