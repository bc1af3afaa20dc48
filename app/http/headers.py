from starlette.requests import HTTPConnection

from app.http.problems import invalid


def single_header(request: HTTPConnection, name: str) -> str | None:
    """Return the value without white space around it; raise InvalidRequest if the header is repeated."""
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise invalid("header", name, "The header is given more than once")
    return values[0].strip(" \t") if values else None
