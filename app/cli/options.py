"""Options of several commands, and options made from query schemas."""

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from typer.core import TyperCommand, TyperOption

from app.schemas.types import Id

Q = TypeVar("Q", bound=BaseModel)
Command = Callable[..., None]

Json = Annotated[bool, typer.Option("--json", help="Print only JSON on standard output, for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation; needed without a terminal.")]


class StrictCommand(TyperCommand):
    """A command that refuses a repeated option, of which Typer takes the last one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for option in self.params:
            if isinstance(option, TyperOption) and not option.multiple and given.count(option) > 1:
                raise typer.BadParameter("is given more than once", ctx, option)
        return super().parse_args(ctx, args)


def parser_of(kind: Any) -> Callable[[Any], Any]:
    """Return a parser for Typer that reads a value as HTTP does."""
    adapter = TypeAdapter(kind)

    def parse(value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise typer.BadParameter(_reason(error)) from None

    return parse


def parse_path(text: str) -> Path:
    if not text:
        raise typer.BadParameter("must not be empty")
    return Path(text)


PredictionId = Annotated[int, typer.Argument(metavar="ID", parser=parser_of(Id), help="The id of a prediction.")]
PredictionIds = Annotated[
    list[int], typer.Argument(metavar="ID...", parser=parser_of(Id), help="The ids of one or more predictions.")
]

_METAVARS: Final = {"integer": "<int>", "number": "<number>", "string": "<text>"}
# These options differ from the API's parameters.
_SPECIAL_OPTIONS: Final = {
    "labelled": ("--labelled/--unlabelled", "Only predictions with a label, or only those without one."),
    "cursor": ("--cursor", "Continue after the previous page, which printed this cursor."),
}


def query_options(query: type[BaseModel]) -> Callable[[Command], Command]:
    """Give a command an option for each field of its `query`."""
    fields = _field_schemas(query)
    options = {name: _option(name, schema, fields) for name, schema in fields.items()}

    def decorate(command: Command) -> Command:
        own = inspect.signature(command).parameters.values()
        parameters = [parameter for one in own for parameter in (options.values() if one.name == "query" else [one])]

        @functools.wraps(command)
        def with_options(**values: Any) -> None:
            query_values = {name: values.pop(name) for name in options}
            command(query=validate(query, query_values), **values)

        # Typer reads the options off the signature.
        keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        setattr(with_options, "__signature__", inspect.Signature(keywords))  # noqa: B010
        with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_options

    return decorate


def validate(schema: type[Q], values: dict[str, Any], **arguments: str) -> Q:
    """Validate values other than None; raise BadParameter with the name of the option or argument."""
    try:
        return schema.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        names = [arguments.get(str(part), option_name(str(part))) for part in error.errors()[0]["loc"][:1]]
        raise typer.BadParameter(_reason(error), param_hint=names[0] if names else None) from None


def _reason(error: ValidationError) -> str:
    return error.errors(include_url=False, include_input=False, include_context=False)[0]["msg"].removeprefix(
        "Value error, "
    )


def option_name(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def _field_schemas(query: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Return each field's JSON schema, with nullable types and enums resolved."""
    schema = query.model_json_schema()
    fields = {name: {**field, **field.get("anyOf", [{}])[0]} for name, field in schema["properties"].items()}
    enums = {f"#/$defs/{name}": enum for name, enum in schema.get("$defs", {}).items()}
    return {name: {**enums.get(field.get("$ref", ""), {}), **field} for name, field in fields.items()}


def _option(name: str, schema: dict[str, Any], fields: dict[str, Any]) -> inspect.Parameter:
    is_flag = schema.get("type") == "boolean"
    spelling, _ = _SPECIAL_OPTIONS.get(name, (option_name(name), ""))
    info = typer.Option(
        spelling, help=_help(name, schema, fields), metavar=None if is_flag else _metavar(schema), show_default=False
    )
    annotation = Annotated[bool | None, info] if is_flag else Annotated[str | None, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _help(name: str, schema: dict[str, Any], fields: dict[str, Any]) -> str:
    _, text = _SPECIAL_OPTIONS.get(name, ("", schema.get("description", "")))
    text = re.sub(r"`(\w+)`", lambda quoted: option_name(quoted[1]) if quoted[1] in fields else quoted[0], text)
    bounds = [_number(schema[bound]) for bound in ("minimum", "maximum") if bound in schema]
    sentences = [text, f"{' to '.join(bounds)}." if len(bounds) == 2 else ""]
    if schema.get("default") not in (None, False):
        sentences.append(f"Default: {schema['default']}.")
    return " ".join(filter(None, sentences))


def _number(value: float) -> str:
    return f"{value:,}".removesuffix(".0")


def _metavar(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return f"<{'|'.join(schema['enum'])}>"
    return "<time>" if schema.get("format") == "date-time" else _METAVARS[schema["type"]]
