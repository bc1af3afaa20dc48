"""Create or adopt the table of PixelWise 0.5.

Version 0.5 created it with `create_all` and stored no revision. Exactly that table is adopted with its rows; any other
table named `predictions` is refused and not changed.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic.util import CommandError

from alembic import op

revision: str = "0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COLUMNS = {
    "id": (sa.Integer, False),
    "prediction": (sa.String, False),
    "confidence": (sa.Float, False),
    "model_version": (sa.String, False),
    "created_at": (sa.DateTime, True),
}


def upgrade() -> None:
    if sa.inspect(op.get_bind()).has_table("predictions"):
        refuse_another_table()
        return
    # Plain columns, so that a new database equals an adopted one.
    op.create_table(
        "predictions",
        *(sa.Column(name, kind(), nullable=nullable) for name, (kind, nullable) in COLUMNS.items()),
        sa.PrimaryKeyConstraint("id"),
    )


def refuse_another_table() -> None:
    """Raise CommandError unless the table `predictions` is the one of version 0.5."""
    inspector = sa.inspect(op.get_bind())
    columns = inspector.get_columns("predictions")
    found = {column["name"]: column for column in columns}
    described = ", ".join(f"{name} {column['type']}" for name, column in found.items())
    if list(found) == [*COLUMNS, "notes"]:
        raise CommandError(
            f"the table predictions has a column of its own besides version 0.5's ({described}); if it is the"
            " notes column of the course, run: alembic stamp --purge 0002 && alembic upgrade head"
        )
    same = list(found) == list(COLUMNS) and all(
        isinstance(found[name]["type"], kind) and found[name]["nullable"] is nullable
        for name, (kind, nullable) in COLUMNS.items()
    )
    if not same or inspector.get_pk_constraint("predictions")["constrained_columns"] != ["id"]:
        raise CommandError(
            f"the table predictions ({described}) is not the one of PixelWise 0.5; nothing was changed."
            " Rename it, or point DATABASE_URL at another database"
        )


def downgrade() -> None:
    # Keep the table and its rows: version 0.5 reads it, and an upgrade adopts it again.
    pass
