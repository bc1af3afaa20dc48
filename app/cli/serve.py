import socket
from typing import Annotated, Final

import typer

from app.cli.options import parser_of
from app.schemas.types import Port

# The service stops within twenty seconds, two of them for the server itself.
GRACE_SECONDS: Final = 18


def serve(
    host: Annotated[
        str, typer.Option(metavar="<address>", help="The address to listen on; 0.0.0.0 for all networks.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(metavar="<int>", parser=parser_of(Port), help="The port to listen on."),
    ] = 8000,
) -> None:
    """Run the service until Ctrl-C.

    Example: python -m app serve --port 8001
    """
    import uvicorn

    from app.config import PACKAGE_FOLDER

    try:
        # An empty host would be all networks.
        known = bool(host) and bool(socket.getaddrinfo(host, port))
    except (OSError, UnicodeError):
        known = False
    if not known:
        raise typer.BadParameter("must be an address of this machine, such as 127.0.0.1", param_hint="--host")
    log_config = str(PACKAGE_FOLDER / "uvicorn_log.json")
    uvicorn.run("app.main:app", host=host, port=port, log_config=log_config, timeout_graceful_shutdown=GRACE_SECONDS)
