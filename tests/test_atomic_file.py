"""Files that the application writes follow no link and open no other user's file."""

import os
import stat
from pathlib import Path

import pytest

from app.atomic_file import atomic_file, create_private
from app.cli.exit_codes import ExitCode
from app.config import SHIPPED_MODEL
from tests.support.command_line import done, refused
from tests.support.stored_rows import random_rows, store


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that must stay as it is."""
    file = tmp_path / "secret"
    file.write_text("secret")
    file.chmod(0o640)
    return file


def test_private_file_is_new_and_only_its_owner_can_read_it(tmp_path: Path, secret: Path) -> None:
    with create_private(tmp_path / "new") as file:
        file.write(b"content")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(secret)
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    for name in ("new", "link", "nowhere"):
        with pytest.raises(FileExistsError):
            create_private(tmp_path / name)
    assert not (tmp_path / "missing").exists()


def test_atomic_file_replaces_a_link_and_not_its_target(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "report").symlink_to(secret)
    with atomic_file(tmp_path / "report") as file:
        file.write(b"content")
    assert ((tmp_path / "report").read_bytes(), secret.read_text()) == (b"content", "secret")
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o600


def test_backup_and_restore_replace_links_that_stand_in_their_way(
    configured_sqlite: str, tmp_path: Path, secret: Path
) -> None:
    store(configured_sqlite, random_rows(3))
    backups = tmp_path / "backups"
    backups.mkdir()
    (backups / ".pixelwise-backup.unfinished").symlink_to(secret)
    (tmp_path / ".pixelwise-restore.unfinished").symlink_to(secret)
    done("backup")
    (backup,) = backups.glob("*.db")
    done("restore", str(backup), "--yes")
    assert (secret.read_text(), stat.S_IMODE(secret.stat().st_mode)) == ("secret", 0o640)
    assert not backup.is_symlink()
    assert not (tmp_path / "pixelwise.db").is_symlink()


@pytest.mark.usefixtures("configured_sqlite")
def test_lock_of_the_backups_is_not_created_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / ".pixelwise-backup.lock").symlink_to(tmp_path / "made")
    assert ".pixelwise-backup.lock" in refused(ExitCode.FAILURE, "backup")
    assert not (tmp_path / "made").exists()


def test_replay_writes_to_no_linked_file(configured_sqlite: str, tmp_path: Path, secret: Path) -> None:
    store(configured_sqlite, random_rows(3), drawings=True)
    done("replay", str(SHIPPED_MODEL), "--output", "replay")
    for name in ("report.json", "flips.csv", "flips.html", "answers.bin"):
        (tmp_path / "replay" / name).unlink()
        (tmp_path / "replay" / name).symlink_to(secret)
    assert "answers.bin" in refused(ExitCode.FAILURE, "replay", str(SHIPPED_MODEL), "--output", "replay")
    (tmp_path / "replay" / "answers.bin").unlink()
    done("replay", str(SHIPPED_MODEL), "--output", "replay")
    assert secret.read_text() == "secret"
    modes = {stat.S_IMODE(path.lstat().st_mode) for path in (tmp_path / "replay").iterdir()}
    assert modes == {0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
@pytest.mark.usefixtures("configured_sqlite")
def test_root_writes_no_backup_into_a_folder_of_another_user(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    os.chown(tmp_path / "backups", 1234, 1234)
    assert "run it with: sudo -u '#1234'" in refused(ExitCode.FAILURE, "backup")
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
@pytest.mark.usefixtures("configured_sqlite")
def test_export_follows_no_link_of_another_user(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "rows.csv").symlink_to(secret)
    os.lchown(tmp_path / "rows.csv", 1234, 1234)
    assert "is another user's link" in refused(ExitCode.FAILURE, "export", "rows.csv")
    assert secret.read_text() == "secret"
    os.lchown(tmp_path / "rows.csv", 0, 0)
    done("export", "rows.csv")
    assert secret.read_text().startswith("id,")
