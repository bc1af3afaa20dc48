from app.config import PROJECT_FOLDER


def upgrade_to_head() -> None:
    """Run `alembic upgrade head`."""
    # Slow to load.
    from alembic.config import Config

    from alembic import command

    config = Config(PROJECT_FOLDER / "alembic.ini")
    # Alembic puts the folder into alembic.ini, where % begins a name.
    config.file_config.set("DEFAULT", "here", PROJECT_FOLDER.as_posix().replace("%", "%%"))
    command.upgrade(config, "head")
