"""`python -m app audit`, and what the commands record."""

import json
import os
import pwd
from pathlib import Path

import pytest

from app.cli.exit_codes import ExitCode
from tests.support.command_line import done, refused
from tests.support.service import execute, rows
from tests.support.stored_rows import BEGIN, random_rows, store

USER = f"command line ({pwd.getpwuid(os.getuid()).pw_name})"


def test_commands_record_reads_and_changes_with_the_user(configured_database_url: str, tmp_path: Path) -> None:
    store(configured_database_url, [row._replace(labels=()) for row in random_rows(3)], drawings=True)
    done("show", "1")
    done("label", "1", "7", "--source", "anna")
    done("notes", "1", "x")
    done("export", str(tmp_path / "table.csv"))
    done("delete", "1", "2", "--yes")
    done("keys", "create", "phone", "--scope", "read")
    entries = json.loads(done("audit", "--json"))["entries"][::-1]
    assert {entry["key"] for entry in entries} == {USER}
    found = [(entry["action"], entry["record"]) for entry in entries]
    assert found[3][0] == "export"
    assert found[:3] + found[4:] == [
        ("drawing", "prediction 1"),
        ("label", "prediction 1"),
        ("notes", "prediction 1"),
        ("delete", "prediction 1"),
        ("delete", "prediction 2"),
        ("create-key", "key phone"),
    ]
    done("review", "--json")
    assert [entry["record"] for entry in json.loads(done("audit", "--action", "review", "--json"))["entries"]] == [
        "predictions 3"
    ]
    text = done("audit", "--action", "label", "--limit", "1")
    assert "prediction 1" in text
    assert USER in text


def test_refused_deletion_records_nothing(configured_database_url: str) -> None:
    store(configured_database_url, random_rows(1))
    refused(ExitCode.FAILURE, "delete", "1", "2", "--yes")
    assert json.loads(done("audit", "--json"))["entries"] == []


def test_prune_keeps_the_audit_log_unless_told_otherwise(configured_database_url: str) -> None:
    old = random_rows(1)[0]._replace(created_at=BEGIN, labels=())
    store(configured_database_url, [old])
    for day in (1, 2, 3):
        execute(
            configured_database_url,
            'INSERT INTO audit_log (at, "key", action, record)'
            f" VALUES ('2026-03-0{day} 10:00:00.000000', 'phone', 'label', 'prediction {day}')",
        )
    assert json.loads(done("prune", "--older-than", "1h", "--yes", "--json"))["audit_entries"] == 0
    counted = json.loads(done("prune", "--older-than", "1h", "--audit-older-than", "10d", "--json"))
    assert counted["audit_entries"] == 3
    pruned = json.loads(done("prune", "--older-than", "1h", "--audit-older-than", "10d", "--yes", "--json"))
    assert pruned["audit_entries"] == 3
    left = rows(configured_database_url, "SELECT action, record FROM audit_log ORDER BY id")
    assert [row["action"] for row in left] == ["prune", "prune"]
    # The fourth prune deletes nothing.
    done("prune", "--older-than", "1h", "--audit-older-than", "10d", "--yes")
    assert len(rows(configured_database_url, "SELECT id FROM audit_log")) == 2
    assert left[0]["record"].startswith("unlabelled predictions before ")
    assert ", entries before " in left[1]["record"]


@pytest.mark.usefixtures("configured_sqlite")
def test_invalid_age_of_the_audit_log_is_refused() -> None:
    message = refused(ExitCode.USAGE_ERROR, "prune", "--older-than", "1h", "--audit-older-than", "soon")
    assert "--audit-older-than" in message
