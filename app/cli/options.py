"""Options of the commands: those of a query are made from its schema, so that HTTP and the command line agree."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import typer
from pydantic import BaseModel, ValidationError

Q = TypeVar("Q", bound=BaseModel)
Command = Callable[..., None]

_VALUES: Final = {"integer": "<int>", "number": "<number>", "string": "<text>"}
# What has another form on a command line than in a URL.
_SPELT: Final = {
    "labelled": ("--labelled/--unlabelled", "With a person's label, or without one."),
    "cursor": ("--cursor", "From where the page before ended; it says so."),
}


def takes(query: type[BaseModel]) -> Callable[[Command], Command]:
    """Give a command one option for each field of a query, and call it with `query`, checked."""
    options = {name: _option(name, shape) for name, shape in _shapes(query).items()}

    def decorate(command: Command) -> Command:
        own = inspect.signature(command).parameters.values()
        parameters = [parameter for one in own for parameter in (options.values() if one.name == "query" else [one])]

        @functools.wraps(command)
        def with_options(**given: Any) -> None:
            asked = {name: given.pop(name) for name in options}
            command(query=checked(query, asked), **given)

        # Typer reads the options off the signature.
        keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        setattr(with_options, "__signature__", inspect.Signature(keywords))  # noqa: B010
        with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_options

    return decorate


def checked(query: type[Q], asked: dict[str, Any], **names: str) -> Q:
    """Make the query of what was asked, None standing for nothing; raise BadParameter, naming the option.

    `names` are those of the fields that are no options.
    """
    try:
        return query.model_validate({name: value for name, value in asked.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        places = [names.get(str(part), option_of(str(part))) for part in first["loc"][:1]]
        reason = first["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(reason, param_hint=places[0] if places else None) from None


def option_of(field: str) -> str:
    """Return the option of a query's field."""
    return f"--{field.replace('_', '-')}"


def _shapes(query: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Return what JSON Schema says about each field, nullable or not."""
    schema = query.model_json_schema()
    shapes = {name: {**shape, **shape.get("anyOf", [{}])[0]} for name, shape in schema["properties"].items()}
    # An enumeration stands beside the fields, with a name.
    named = {f"#/$defs/{name}": shape for name, shape in schema.get("$defs", {}).items()}
    return {name: {**named.get(shape.get("$ref", ""), {}), **shape} for name, shape in shapes.items()}


def _option(name: str, shape: dict[str, Any]) -> inspect.Parameter:
    is_flag = shape.get("type") == "boolean"
    spelt, words = _SPELT.get(name, (option_of(name), shape.get("description", "")))
    bounds = [f"{shape[bound]:g}" for bound in ("minimum", "maximum") if bound in shape]
    sentences = [words, f"{' to '.join(bounds)}." if len(bounds) == 2 else ""]
    if shape.get("default") not in (None, False):
        sentences.append(f"{shape['default']} if not given.")
    info = typer.Option(
        spelt, help=" ".join(filter(None, sentences)), metavar=None if is_flag else _metavar(shape), show_default=False
    )
    annotation = Annotated[bool | None, info] if is_flag else Annotated[str | None, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _metavar(shape: dict[str, Any]) -> str:
    if "enum" in shape:
        return f"<{'|'.join(shape['enum'])}>"
    return "<time>" if shape.get("format") == "date-time" else _VALUES[shape["type"]]
