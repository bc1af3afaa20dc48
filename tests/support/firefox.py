"""Firefox, driven by WebDriver BiDi, which Debian's Firefox speaks itself.

with firefox(tmp_path) as browser:
    browser.open("http://127.0.0.1:8000/")
    browser.wait_for("document.title === 'Draw · PixelWise'")
"""

import itertools
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from websocket import WebSocket, create_connection

from tests.support.digit_strokes import Stroke
from tests.support.project_copy import need
from tests.support.run_cleanup import start_process
from tests.support.waiting import PATIENCE_S

# No first-run pages, no updates and no requests to Mozilla.
PREFERENCES: Final = {
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "remote.prefs.recommended": True,
}


class Firefox:
    """One tab."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._send("session.new", capabilities={})
        self._tab: str = self._send("browsingContext.getTree")["contexts"][0]["context"]

    def _send(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self, url: str) -> None:
        """Go to an address, and wait until the page is loaded."""
        self._send("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """Evaluate JavaScript; the value must be JSON."""
        answer = self._send(
            "script.evaluate",
            expression=f"JSON.stringify({expression})",
            target={"context": self._tab},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"].get("value", "null"))

    def wait_for(self, condition: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"after {PATIENCE_S} s still not true: {condition}"
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._perform({"type": "key", "id": "keyboard", "actions": actions})

    def draw(self, strokes: list[Stroke], pointer: str = "mouse") -> None:
        """Draw on the pad with a mouse, a pen or a finger (`touch`)."""
        box = self.evaluate("document.querySelector('canvas.pad').getBoundingClientRect()")
        actions: list[dict[str, Any]] = []
        for stroke in strokes:
            moves = [
                {
                    "type": "pointerMove",
                    "x": round(box["x"] + x * box["width"]),
                    "y": round(box["y"] + y * box["height"]),
                }
                for x, y in stroke
            ]
            actions += [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:], {"type": "pointerUp", "button": 0}]
        self._perform({"type": "pointer", "id": pointer, "parameters": {"pointerType": pointer}, "actions": actions})

    def _perform(self, source: dict[str, Any]) -> None:
        self._send("input.performActions", context=self._tab, actions=[source])


@contextmanager
def firefox(folder: Path, **preferences: Any) -> Iterator[Firefox]:
    """A headless Firefox with a new profile in this folder."""
    need("firefox-esr", "firefox-esr")
    profile = folder / "firefox"
    profile.mkdir()
    lines = (
        f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in (PREFERENCES | preferences).items()
    )
    (profile / "user.js").write_text("\n".join(lines))
    log = folder / "firefox.log"
    command = ["firefox-esr", "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with (
        log.open("wb") as output,
        start_process(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "MOZ_CRASHREPORTER_DISABLE": "1"},
        ) as process,
    ):
        try:
            address = f"{_address(log, process)}/session"
            # Firefox refuses pages of the web, which have an origin.
            with closing(create_connection(address, timeout=PATIENCE_S, suppress_origin=True)) as socket:
                yield Firefox(socket)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_S)


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[1]
