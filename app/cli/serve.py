import socket
from typing import Annotated, Final

import typer

from app.cli.options import parser_of
from app.schemas.types import Port

# The service stops within twenty seconds; two are the server's own.
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

    from app.config import PACKAGE_FOLDER, get_settings, set_environment

    try:
        # Empty means all networks.
        known = bool(host) and bool(socket.getaddrinfo(host, port))
    except (OSError, UnicodeError):
        known = False
    if not known:
        raise typer.BadParameter("must be an address of this machine, such as 127.0.0.1", param_hint="--host")
    # uvicorn would end in a traceback.
    get_settings()
    given = set_environment("FORWARDED_ALLOW_IPS", "UVICORN_", "WEB_CONCURRENCY")
    log_config = given.get("UVICORN_LOG_CONFIG", str(PACKAGE_FOLDER / "uvicorn_log.json"))
    options = {"host": host, "port": port, "log-config": log_config, "timeout-graceful-shutdown": GRACE_SECONDS}
    uvicorn.main(["app.main:app", *(f"--{name}={value}" for name, value in options.items())])
