"""`serve`."""

from typing import Annotated

import typer

# How long requests under way may take when the server is told to stop.
# With two seconds for its own end the service has stopped within twenty.
GRACE_S = 18


def serve(
    host: Annotated[str, typer.Option(metavar="<address>", help="0.0.0.0 for every network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
) -> None:
    """Run the service; Ctrl-C stops it.

    Example: python -m app serve --port 8001
    """
    # Imported in the commands because each takes longer to load than `--help` may.
    import uvicorn

    uvicorn.run("app.main:app", host=host, port=port, timeout_graceful_shutdown=GRACE_S)
