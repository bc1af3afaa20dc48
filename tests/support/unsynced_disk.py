"""A disk that remembers in which order it was told what, so that the power can be cut at every step afterwards.

SQLite writes through a VFS of its own (apsw), the service's engine through that. See https://sqlite.org/vfs.html
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Self

import apsw

SECTOR = 512


class Step(NamedTuple):
    """One thing the disk was told: write, truncate, delete, sync, sync folder; or acknowledge, and then what."""

    call: str
    file: str
    offset: int = 0
    data: bytes = b""


class Disk(apsw.VFS):
    """SQLite's usual VFS, which writes down every step."""

    NAME = "remembers"

    def __init__(self) -> None:
        super().__init__(self.NAME, "unix")
        self.steps: list[Step] = []

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  # SQLite's own name, as are the others.
        return _File(self.steps, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self.steps.append(Step("delete", Path(filename).name))
        if syncdir:
            self.steps.append(Step("sync folder", Path(filename).name))

    def acknowledge(self, word: str) -> None:
        self.steps.append(Step("acknowledge", word))


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
            # SQLite's VFS syncs the folder, too, the first time, and with it what was deleted there.
            self._steps.append(Step("sync folder", self._name))
            self._new = False


class Plug:
    """What is on the disk, step after step, once the power is cut."""

    def __init__(self, files: Iterable[Path]) -> None:
        """Take the files that were on the disk before the first step."""
        self._synced: dict[str, bytes | None] = {path.name: path.read_bytes() for path in files}
        self._waiting: list[Step] = []

    def do(self, step: Step) -> None:
        match step.call:
            case "write" | "truncate" | "delete":
                self._waiting.append(step)
            case "sync":
                self._sync(lambda waiting: waiting.call != "delete" and waiting.file == step.file)
            case "sync folder":
                self._sync(lambda waiting: waiting.call == "delete")

    def _sync(self, of_this: Callable[[Step], bool]) -> None:
        for step in filter(of_this, self._waiting):
            _apply(self._synced, step)
        self._waiting = [step for step in self._waiting if not of_this(step)]

    def cut(self, folder: Path, random: Random | None = None) -> None:
        """Leave in the folder what was synced.

        With a source of chance also some of what was not: a disk may write that in any order, and the last sectors of
        a write may be missing.
        """
        files = dict(self._synced)
        for step in self._waiting if random else ():
            assert random is not None
            if random.random() < 0.5:
                sectors = random.randint(0, len(step.data) // SECTOR + 1)
                _apply(files, step._replace(data=step.data[: sectors * SECTOR]))
        for old in folder.iterdir():
            old.unlink()
        for name, content in files.items():
            if content is not None:
                (folder / name).write_bytes(content)


def _apply(files: dict[str, bytes | None], step: Step) -> None:
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
    """As much of Python's database interface (PEP 249) over apsw as SQLAlchemy and the service's engine use."""

    isolation_level = None

    def __init__(self, uri: str) -> None:
        self._connection = apsw.Connection(uri, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI, Disk.NAME)
        self._connection.set_busy_timeout(5000)

    def cursor(self) -> "Cursor":
        return Cursor(self._connection)

    def execute(self, statement: str) -> "Cursor":
        return self.cursor().execute(statement)

    def create_function(self, *_: Any, **__: Any) -> None:
        """SQLAlchemy's regular expressions, which the service does not use."""

    def commit(self) -> None:
        if self._connection.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


class Cursor:
    """The rows of one statement, all read at once."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.description: Sequence[Any] | None = None
        self.lastrowid = 0
        self.rowcount = -1
        self._rows: Iterator[Any] = iter(())

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Self:
        cursor = self._connection.cursor()

        def describe(cursor: apsw.Cursor, _statement: str, _parameters: object) -> bool:
            # Known while the statement begins, and not once it has given its last row.
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
