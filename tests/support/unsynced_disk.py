"""A disk that records writes and syncs in order, to simulate a power cut after each.

SQLite uses it through a VFS of apsw, see https://sqlite.org/vfs.html
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Self

import apsw

SECTOR = 512

# The content of each file by its name; None if it is deleted.
Files = dict[str, bytes | None]


class Step(NamedTuple):
    """A call to the disk: write, truncate, delete, sync or sync folder; or an acknowledgement."""

    call: str
    file: str
    offset: int = 0
    data: bytes = b""


class Disk(apsw.VFS):
    """SQLite's default VFS, which records every step."""

    NAME = "remembers"

    def __init__(self) -> None:
        super().__init__(self.NAME, "unix")
        self.steps: list[Step] = []

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  # SQLite's name, as below.
        return _File(self.steps, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self.steps.append(Step("delete", Path(filename).name))
        if syncdir:
            self.steps.append(Step("sync folder", Path(filename).name))

    def acknowledge(self, row: str) -> None:
        self.steps.append(Step("acknowledge", row))


class _File(apsw.VFSFile):
    def __init__(self, steps: list[Step], name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._steps = steps
        self._name = Path(name if isinstance(name, str) else name.filename()).name
        self._new = bool(flags[0] & apsw.SQLITE_OPEN_CREATE)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._steps.append(Step("write", self._name, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self._steps.append(Step("truncate", self._name, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._steps.append(Step("sync", self._name))
        if self._new:
            # SQLite also syncs the folder at the first sync of a new file.
            self._steps.append(Step("sync folder", self._name))
            self._new = False


class Plug:
    """The content of the disk after a power cut."""

    def __init__(self, files: Iterable[Path]) -> None:
        """Take the files on the disk before the first step."""
        self._synced: Files = {path.name: path.read_bytes() for path in files}
        self._unsynced: list[Step] = []

    def do(self, step: Step) -> None:
        match step.call:
            case "write" | "truncate" | "delete":
                self._unsynced.append(step)
            case "sync":
                self._sync(lambda unsynced: unsynced.call != "delete" and unsynced.file == step.file)
            case "sync folder":
                self._sync(lambda unsynced: unsynced.call == "delete")

    def _sync(self, is_synced: Callable[[Step], bool]) -> None:
        for step in filter(is_synced, self._unsynced):
            _apply(self._synced, step)
        self._unsynced = [step for step in self._unsynced if not is_synced(step)]

    def cut(self, random: Random | None = None) -> Files:
        """Return the synced content of the files; with `random`, also part of the unsynced writes.

        A disk may write in any order, and the last sectors of a write may be missing.
        """
        files = dict(self._synced)
        for step in self._unsynced if random else ():
            assert random is not None
            if random.random() < 0.5:
                sectors = random.randint(0, len(step.data) // SECTOR + 1)
                _apply(files, step._replace(data=step.data[: sectors * SECTOR]))
        return files


def _apply(files: Files, step: Step) -> None:
    old = files.get(step.file) or b""
    match step.call:
        case "delete":
            files[step.file] = None
        case "truncate":
            files[step.file] = old[: step.offset]
        case "write":
            end = step.offset + len(step.data)
            files[step.file] = old[: step.offset].ljust(step.offset, b"\0") + step.data + old[end:]


class Connection:
    """The part of Python's database interface (PEP 249) that SQLAlchemy and the engine use, on apsw."""

    isolation_level = None

    def __init__(self, uri: str) -> None:
        self._connection = apsw.Connection(uri, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI, Disk.NAME)
        self._connection.set_busy_timeout(5000)

    def cursor(self) -> "Cursor":
        return Cursor(self._connection)

    def execute(self, statement: str) -> "Cursor":
        return self.cursor().execute(statement)

    def create_function(self, *_: Any, **__: Any) -> None:
        """Ignore SQLAlchemy's regular expressions, which the service does not use."""

    def commit(self) -> None:
        if self._connection.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


class Cursor:
    """A statement and its rows, read at once."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.description: Sequence[Any] | None = None
        self.lastrowid = 0
        self.rowcount = -1
        self._rows: Iterator[Any] = iter(())

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Self:
        cursor = self._connection.cursor()

        def describe(cursor: apsw.Cursor, _statement: str, _parameters: object) -> bool:
            # Known only until the statement has returned its last row.
            self.description = [(name, *[None] * 6) for name, _ in cursor.get_description()] or None
            return True

        cursor.exec_trace = describe
        self._rows = iter(cursor.execute(statement, parameters).fetchall())
        self.lastrowid, self.rowcount = self._connection.last_insert_rowid(), self._connection.changes()
        return self

    def executemany(self, statement: str, many: Iterable[Sequence[Any]]) -> None:
        for parameters in many:
            self.execute(statement, parameters)

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def close(self) -> None:
        pass
