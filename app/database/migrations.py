from app.config import PROJECT_FOLDER


def upgrade_to_head() -> None:
    """Run `alembic upgrade head`."""
    # Slow to load.
    from alembic.config import Config

    from alembic import command

    command.upgrade(Config(PROJECT_FOLDER / "alembic.ini"), "head")
