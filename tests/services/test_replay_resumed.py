"""The folder of a replay: it resumes there, and refuses other content."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.analysis.replay.answer_store import ANSWERS, DESCRIPTION, RECORD, AnswersFile, Description, folder_name
from app.classifier import Classifier
from app.database import Database
from app.services.errors import InvalidInput, ServiceError
from app.services.replay import SCORE_BATCH_SIZE, database_name, replay
from tests.support.model_files import swapping_model
from tests.support.project_copy import PROJECT
from tests.support.replay_fixtures import Images, flips, label, records, run, store_answers, without_times
from tests.support.service import execute

pytestmark = pytest.mark.usefixtures("settings_environment")


def test_second_replay_classifies_only_new_drawings(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    # The last one is committed late, as may happen on PostgreSQL.
    store_answers(database_url, drawn[:40])
    store_answers(database_url, drawn[41:60], first_id=42)
    run(database, swapping, out)
    before = (out / ANSWERS).read_bytes()
    store_answers(database_url, drawn[40:41], first_id=41)
    store_answers(database_url, drawn[60:], first_id=61)
    again = run(database, swapping, out).report
    after = (out / ANSWERS).read_bytes()
    assert after.startswith(before)
    assert sorted(records(out)["id"].tolist()) == list(range(1, 101))
    assert without_times(again) == without_times(run(database, swapping, tmp_path / "fresh").report)


def test_deleted_predictions_drop_out_of_the_report(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(database_url, drawn)
    run(database, swapping, tmp_path / "out")
    execute(database_url, "DELETE FROM predictions WHERE id % 3 = 0")
    again = run(database, swapping, tmp_path / "out")
    assert again.report.drawings == 67
    assert not [flip for flip in flips(again) if int(flip["id"]) % 3 == 0]
    assert without_times(again.report) == without_times(run(database, swapping, tmp_path / "fresh").report)


def test_replay_goes_on_although_the_clock_went_back(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(database_url, drawn)
    execute(database_url, "UPDATE predictions SET created_at = '2026-01-02 00:00:00.000001' WHERE id > 1")
    run(database, swapping, tmp_path / "out")
    os.utime(tmp_path / "out" / ANSWERS, (1_767_225_600, 1_767_225_600))
    assert run(database, swapping, tmp_path / "out").report.drawings == 100


def test_answers_are_not_used_for_predictions_with_another_time(
    database: Database, database_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(database_url, drawn)
    run(database, swapping, tmp_path / "out")
    # As after a restore, with a clock that is behind.
    execute(database_url, "UPDATE predictions SET created_at = '2020-01-01 00:00:00.000000' WHERE id = 50")
    with pytest.raises(InvalidInput, match="from before a restore; choose another folder"):
        run(database, swapping, tmp_path / "out")


KILLED = """
import os, signal, sys
from pathlib import Path
from app.classifier import Classifier, get_classifier
from app.database import Database
from app.services.replay import replay
url, model, folder, last = sys.argv[1:]
def progress(step, done, total):
    if done >= int(last):
        os.kill(os.getpid(), signal.SIGKILL)
replay(Database(url), Classifier(Path(model)), get_classifier(), folder=Path(folder), progress=progress)
"""


@pytest.mark.slow
@pytest.mark.parametrize("torn", [0, 13 * 400 + 7], ids=["between records", "in a record"])
def test_killed_replay_resumes_with_the_same_result(
    database: Database, database_url: str, noise: Images, swapping: Path, tmp_path: Path, torn: int
) -> None:
    store_answers(database_url, noise)
    label(database_url, (1, "4"), (SCORE_BATCH_SIZE + 5, "9"))
    out, url = tmp_path / "out", database_url.replace("postgresql://", "postgresql+psycopg://")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url, str(swapping), str(out), str(2 * SCORE_BATCH_SIZE)],
        cwd=tmp_path,
        # Another OpenBLAS kernel may change the last digit of a confidence.
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(records(out)) == 2 * SCORE_BATCH_SIZE
    assert {path.name for path in out.iterdir()} == {ANSWERS, DESCRIPTION}
    with (out / ANSWERS).open("r+b") as file:
        file.truncate(2 * SCORE_BATCH_SIZE * RECORD.itemsize - torn)
    resumed, whole = run(database, swapping, out), run(database, swapping, tmp_path / "whole")
    assert without_times(resumed.report) == without_times(whole.report)
    assert (out / ANSWERS).read_bytes() == (tmp_path / "whole" / ANSWERS).read_bytes()
    assert resumed.table_file.read_bytes() == whole.table_file.read_bytes()


def test_folder_of_another_replay_is_refused_and_unchanged(
    sqlite_database: Database, sqlite_url: str, drawn: Images, swapping: Path, tmp_path: Path
) -> None:
    store_answers(sqlite_url, drawn)
    out = tmp_path / "out"
    run(sqlite_database, swapping, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    other_database = tmp_path / "other.db"
    other_database.write_bytes((tmp_path / "pixelwise.db").read_bytes())
    other = Database(f"sqlite:///{other_database}")
    another_model = swapping_model(tmp_path, 1, 7, version="v3")
    for words, database, model, version in (
        ("another model, 'v2'", sqlite_database, another_model, None),
        (f"another database, 'sqlite:///{tmp_path}/pixelwise.db'", other, swapping, None),
        ("the drawings of all model versions", sqlite_database, swapping, "v1"),
    ):
        with pytest.raises(InvalidInput, match=f"{re.escape(words)}; choose another folder") as refused:
            run(database, model, out, model_version=version)
        assert refused.value.place == "output"
    other.close()
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_folder_of_an_earlier_release_is_refused(sqlite_database: Database, swapping: Path, tmp_path: Path) -> None:
    run(sqlite_database, swapping, tmp_path / "out")
    path = tmp_path / "out" / DESCRIPTION
    description = json.loads(path.read_text())
    del description["record_bytes"]
    path.write_text(json.dumps(description))
    with pytest.raises(InvalidInput, match="holds a replay of an earlier release; choose another folder"):
        run(sqlite_database, swapping, tmp_path / "out")


@pytest.mark.parametrize("name", ["letter.txt", ANSWERS])
def test_folder_with_other_files_is_refused_and_unchanged(
    sqlite_database: Database, swapping: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("Dear aunt")
    with pytest.raises(InvalidInput, match="holds other files; choose an empty folder"):
        run(sqlite_database, swapping, tmp_path / "out")
    assert [(path.name, path.read_text()) for path in (tmp_path / "out").iterdir()] == [(name, "Dear aunt")]


@pytest.mark.parametrize("content", [b"{", b"\xff"])
def test_folder_with_a_damaged_description_is_refused(
    sqlite_database: Database, swapping: Path, tmp_path: Path, content: bytes
) -> None:
    run(sqlite_database, swapping, tmp_path / "out")
    (tmp_path / "out" / DESCRIPTION).write_bytes(content)
    with pytest.raises(InvalidInput, match=r"replay\.json is damaged"):
        run(sqlite_database, swapping, tmp_path / "out")


def test_folder_that_cannot_be_created_is_refused(sqlite_database: Database, swapping: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match=r"cannot write .*file") as refused:
        run(sqlite_database, swapping, tmp_path / "file" / "out")
    assert not isinstance(refused.value, InvalidInput)


def test_concurrent_replay_into_the_same_folder_is_refused(
    tmp_path: Path, sqlite_database: Database, swapping: Path
) -> None:
    out = tmp_path / "out"
    run(sqlite_database, swapping, out)
    description = Description.model_validate_json((out / DESCRIPTION).read_text())
    with AnswersFile(out, description), pytest.raises(ServiceError, match="another replay is using") as refused:
        run(sqlite_database, swapping, out)
    assert not isinstance(refused.value, InvalidInput)
    run(sqlite_database, swapping, out)


def test_folder_is_private_to_its_owner(sqlite_database: Database, swapping: Path, tmp_path: Path) -> None:
    run(sqlite_database, swapping, tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


def test_folder_is_named_after_the_model_unless_told_otherwise(
    sqlite_database: Database, swapping: Path, tmp_path: Path
) -> None:
    model = Classifier(swapping)
    found = replay(sqlite_database, model, model)
    assert found.report_file == Path(f"replay-v2-{model.sha256[:8]}") / "report.json"
    assert (tmp_path / found.report_file).exists()


@pytest.mark.parametrize("version", ["../../etc", "/etc/passwd", "v 2\n\0", "ü" * 500, ""])
def test_folder_name_is_safe_for_any_version(version: str) -> None:
    name = folder_name(version, "0123456789abcdef")
    assert name.startswith("replay-")
    assert name.endswith("-01234567")
    assert name.replace(".", "").replace("-", "").isalnum()
    assert len(name.encode()) < 255


def test_database_name_has_no_password() -> None:
    database = Database("postgresql+psycopg://anna:kept-quiet@127.0.0.1:1/pixelwise?password=kept-quiet")
    assert database_name(database) == "postgresql+psycopg://anna:***@127.0.0.1:1/pixelwise"
    database.close()


def test_description_names_the_model_and_the_database(
    sqlite_database: Database, swapping: Path, tmp_path: Path
) -> None:
    run(sqlite_database, swapping, tmp_path / "out", model_version="v1")
    model = Classifier(swapping)
    assert json.loads((tmp_path / "out" / DESCRIPTION).read_text()) == {
        "model_sha256": model.sha256,
        "model_version": "v2",
        "classes": model.classes,
        "database": f"sqlite:///{tmp_path}/pixelwise.db",
        "only_model_version": "v1",
        "record_bytes": 25,
    }
