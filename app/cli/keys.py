from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app.cli import context
from app.cli.exit_codes import CommandError
from app.cli.options import Json, StrictCommand, parser_of, validate
from app.cli.tables import print_table
from app.cli.terminal import print_json, say
from app.schemas.keys import KeyCreate, KeyName, KeyRead, KeyWithSecret, Scope
from app.schemas.types import Hours

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_STORE: Final = "Store the secret now; it is not shown again."

program = typer.Typer(rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", parser=parser_of(KeyName), help="The name of the key.")]


@program.callback()
def keys() -> None:
    """Create, list, rotate and revoke API keys.

    Example: python -m app keys create phone --scope classify --scope read
    """


@program.command(cls=StrictCommand)
def create(
    name: Name,
    scopes: Annotated[
        list[str], typer.Option("--scope", metavar=f"<{'|'.join(Scope)}>", help="What the key may do; repeat it.")
    ],
    rate_limit: Annotated[
        str | None, typer.Option("--rate-limit", "--rate", metavar="<rate>", help="Drawings, such as 100/minute.")
    ] = None,
    expires_at: Annotated[
        str | None, typer.Option(metavar="<time>", help="The key is refused from then on, such as 2027-07-31.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a key and print its secret, which cannot be shown again.

    Example: python -m app keys create phone --scope classify --scope read --rate 100/minute
    """
    from app.services.keys import create_key

    values = {"name": name, "scopes": scopes, "rate_limit": rate_limit, "expires_at": expires_at}
    wanted = validate(KeyCreate, values, name="NAME", scopes="--scope")
    created = _print_new(lambda session: create_key(session, wanted, context.actor()), as_json=as_json)
    if not as_json:
        say(f"Created the key {name} ({', '.join(created.scopes)}). {_STORE}")


@program.command("list", cls=StrictCommand)
def list_(as_json: Json = False) -> None:
    """List the keys, revoked ones too.

    Example: python -m app keys list
    """
    from app.services.keys import list_keys

    found = context.read(list_keys)
    if as_json:
        print_json(found)
        return
    headings = ("name", "secret", "scopes", "rate limit", "created (UTC)", "expires", "last used", "revoked")
    print_table(headings, map(_row, found.keys))


@program.command(cls=StrictCommand)
def rotate(
    name: Name,
    overlap: Annotated[
        int,
        typer.Option(
            metavar="<hours>", parser=parser_of(Hours), help="How long the old secret is accepted, too. 0 to 720."
        ),
    ] = 24,
    as_json: Json = False,
) -> None:
    """Give a key a new secret and print it. The old one is accepted for a day more.

    Example: python -m app keys rotate phone --overlap 48
    """
    from app.services.keys import rotate_key

    hours = timedelta(hours=overlap)
    _print_new(lambda session: rotate_key(session, name, hours, context.actor()), as_json=as_json)
    if not as_json:
        say(f"The old secret of {name} is accepted for {overlap} hours more. {_STORE}")


@program.command(cls=StrictCommand)
def revoke(name: Name) -> None:
    """Revoke a key. The service refuses it within five seconds.

    Example: python -m app keys revoke phone
    """
    from app.services.keys import revoke_key

    context.write(lambda session: revoke_key(session, name, context.actor()))
    say(f"Revoked the key {name}.")


def _print_new(make: "Callable[[Session], KeyWithSecret]", *, as_json: bool) -> KeyWithSecret:
    """Commit after the secret is printed."""

    def make_and_print(session: "Session") -> KeyWithSecret:
        key = make(session)
        try:
            if as_json:
                print_json(key)
            else:
                typer.echo(key.key)
        except OSError as error:
            raise CommandError(f"{error.strerror}; nothing was changed") from error
        return key

    return context.write(make_and_print)


def _row(key: KeyRead) -> tuple[object, ...]:
    times = (key.created_at, key.expires_at, key.last_used_at, key.revoked_at)
    return (key.name, f"{key.prefix}...", ", ".join(key.scopes), key.rate_limit, *times)
