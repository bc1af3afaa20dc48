"""A service for one test after the other."""

from contextlib import ExitStack
from pathlib import Path

from tests.support.ports import free_port
from tests.support.service_process import serving


class SharedService:
    """A service on SQLite. Tests may end it, and start it again where it was."""

    def __init__(self, url: str, folder: Path, started: ExitStack) -> None:
        self.url = url
        self.port = free_port()
        self._folder = folder
        self._started = started
        self.start()

    def start(self) -> None:
        self.running = self._started.enter_context(serving(self.url, self._folder, port=self.port))

    def has_ended(self) -> bool:
        return self.running.process.poll() is not None
