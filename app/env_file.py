"""Settings from `.env`. Scripts run this file with Python alone."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Final


def _form(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern, re.ASCII).fullmatch


def _are_networks(text: str) -> bool:
    from ipaddress import ip_network

    try:
        return text == "*" or all(ip_network(one.strip()) for one in text.split(","))
    except ValueError:
        return False


# Read by scripts, units and uvicorn only: what each must look like.
DEPLOYMENT: Final = {
    "FORWARDED_ALLOW_IPS": (_are_networks, "must be addresses or networks, such as 10.0.0.10,10.1.0.0/16, or *"),
    "MODEL_URL": (_form(r"[a-z]+://\S+"), "must be a URL, such as https://example.org/mine.onnx"),
    "MODEL_SHA256": (_form(r"[0-9a-fA-F]{64}"), "must be a checksum as printed by sha256sum"),
    "PIXELWISE_NGINX": (_form(r"off|/.*"), "must be off or the absolute path of a folder"),
    "PIXELWISE_BACKUP": (_form(r"on|off"), "must be on or off"),
    "PIXELWISE_BACKUP_FOLDER": (_form(r".+"), "must be the path of a folder"),
    "PIXELWISE_BACKUPS_KEPT": (_form(r"[1-9]\d{0,5}"), "must be a number from 1"),
    "PIXELWISE_PRUNE_OLDER_THAN": (_form(r"[1-9]\d{0,3}[hdw]"), "must be a number and h, d or w, such as 90d"),
    "UVICORN_HOST": (
        _form(r"[\w.-]+|[\da-fA-F]*:[\da-fA-F:.]*(%[\w.-]+)?"),
        "must be an address, such as 127.0.0.1 or 0.0.0.0",
    ),
    "WEB_CONCURRENCY": (_form(r"[1-9]\d{0,3}"), "must be a number from 1"),
}

# uvicorn and systemd units take these as they are; an empty UVICORN_HOST opens the port to all networks.
TAKEN_AS_IS: Final = ("FORWARDED_ALLOW_IPS", "UVICORN_HOST", "WEB_CONCURRENCY", "PIXELWISE_PRUNE_OLDER_THAN")

_ASSIGNMENT: Final = re.compile(r"[ \t]*([A-Za-z_]\w*)[ \t]*=[ \t]*(.*?)[ \t]*", re.ASCII)
_REFERENCE: Final = re.compile(r"\$\{([^{}]*)\}")
_BYTE_ORDER_MARK: Final = "\ufeff"


class EnvFileError(Exception):
    """`.env` cannot be used. The text is one line without values."""


def read_env_file(path: Path) -> dict[str, str]:
    """Return the values by name, unexpanded; raise EnvFileError.

    Refuses each line that python-dotenv and systemd's EnvironmentFile= read differently.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        try:
            assignment = _parsed(line, first=number == 1)
        except ValueError as error:
            raise EnvFileError(f"cannot read {path.absolute()}, line {number}: {error}") from None
        if assignment is not None:
            values[assignment[0]] = assignment[1]
    return values


def known_values(from_file: Mapping[str, str]) -> dict[str, str]:
    """Leave out empty ones; the environment overrides the file."""
    return {name: value for given in (from_file, os.environ) for name, value in given.items() if value.strip()}


def expanded(text: str, known: Mapping[str, str]) -> str:
    """Replace each ${NAME}, in the inserted values too; raise ValueError for an unknown one."""

    def value_of(reference: re.Match[str]) -> str:
        name = reference[1]
        if not re.fullmatch(r"\w+", name):
            raise ValueError("${...} takes the name of another setting and nothing else, such as ${DB_PASSWORD}")
        if name not in known:
            raise ValueError(f"${{{name}}} is used but {name} is set neither in the environment nor in .env")
        others = {other: value for other, value in known.items() if other != name}
        return expanded(unquoted(name, known[name]), others)

    return _REFERENCE.sub(value_of, text)


def unquoted(name: str, text: str) -> str:
    """Strip white space; raise ValueError for a value in quotes, which `docker run --env-file` keeps."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        raise ValueError(f"{name} stands in quotes that belong to its value; leave them out")
    return text


def setting_value(name: str, known: Mapping[str, str]) -> str:
    """Return the expanded value, or an empty text; raise ValueError."""
    return expanded(unquoted(name, known.get(name, "")), known)


def deployment_value(name: str, known: Mapping[str, str]) -> str:
    """Return a checked setting of DEPLOYMENT, or an empty text; raise ValueError."""
    is_valid, problem = DEPLOYMENT[name]
    given = known.get(name, "")
    value = unquoted(name, given)
    value = given if name in TAKEN_AS_IS else expanded(value, known)
    if value and not is_valid(value):
        raise ValueError(f"{name}: {problem}")
    return value


def check_deployment(known: Mapping[str, str]) -> None:
    """Raise ValueError for an invalid one."""
    for name in DEPLOYMENT:
        deployment_value(name, known)
    for name in TAKEN_AS_IS:
        if os.environ.get(name, "1").strip() == "":
            raise ValueError(f"{name} is empty, and the program that reads it needs a value; remove it")


def misspelt(names: Iterable[str], settings: frozenset[str]) -> dict[str, str]:
    """Return the intended setting for each misspelt name."""
    close = {
        name: _closest(name.upper(), settings) or _closest(name.upper().removeprefix("PIXELWISE_"), settings)
        for name in names
    }
    return {name: intended[0] for name, intended in close.items() if intended}


@cache
def _closest(name: str, settings: frozenset[str]) -> list[str]:
    return get_close_matches(name, settings, n=1, cutoff=0.9)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        if path.is_symlink():
            raise EnvFileError(f"cannot read {path.absolute()}: it is a link to a file that does not exist") from None
        return []
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise EnvFileError(f"cannot read {path.absolute()}, line {number}: save the file as UTF-8") from None
    except OSError as error:
        raise EnvFileError(f"cannot read {path.absolute()}: {error.strerror}") from error
    return re.split(r"\r\n|\n|\r", text)


def _parsed(line: str, *, first: bool) -> tuple[str, str] | None:
    """Return the name and value, or None for a blank line or comment; raise ValueError."""
    marked = first and line.startswith(_BYTE_ORDER_MARK)
    line = line.removeprefix(_BYTE_ORDER_MARK) if marked else line
    text = line.strip(" \t")
    if not text or text[0] == "#":
        if text.endswith("\\"):
            raise ValueError("a comment must not end with a backslash, which would comment out the next line")
        if "\0" in text:
            raise ValueError("save the file as UTF-8")
        return None
    found = _ASSIGNMENT.fullmatch(line)
    if found is None:
        prefixed = re.match(r"(export|set)\s", text)
        raise ValueError(f"leave out {prefixed[1]}" if prefixed else "is not NAME=value")
    name, value = found.groups()
    if marked and name in DEPLOYMENT:
        raise ValueError("systemd would ignore it because of the byte order mark; save the file without one")
    value = _value(value)
    if name in TAKEN_AS_IS and not value.strip():
        raise ValueError(f"{name} needs a value; for the default, remove the line")
    return name, value


def _value(text: str) -> str:
    if not all(character.isprintable() or character == "\t" for character in text):
        raise ValueError("the value has a character that cannot be printed")
    if "\\" in text:
        raise ValueError("a backslash is not read alike by all programs; in a URL write %5C, in a path write /")
    quote = text[:1]
    if quote in ("'", '"'):
        if len(text) == 1 or text.find(quote, 1) != len(text) - 1:
            raise ValueError("the quotes must enclose the whole value; a comment needs a line of its own")
        return text[1:-1]
    if "'" in text or '"' in text:
        raise ValueError("the value has a quote in it; enclose the whole value in the other kind of quotes")
    if re.search(r"(^|\s)#", text):
        raise ValueError("a comment needs a line of its own; a value with # needs quotes")
    return text


def main(arguments: list[str]) -> None:
    """Check the settings of DEPLOYMENT, or print a setting: NAME [DEFAULT]."""
    name, *default = arguments or [""]
    try:
        known = known_values(read_env_file(Path(".env")))
        values = {other: deployment_value(other, known) for other in DEPLOYMENT}
        value = values[name] if name in values else setting_value(name, known)
    except (EnvFileError, ValueError) as error:
        sys.exit(f"pixelwise: {error}")
    if arguments:
        print(value or "".join(default))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
