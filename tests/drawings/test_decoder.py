"""Images are decoded in a process that cannot run on, and is replaced when it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import environment_with
from app.drawings.containers import ImageError
from app.drawings.decoder import Decoder, DecoderBusy
from app.drawings.image_files import read_image
from tests.support.digit_images import encoded, picture
from tests.support.hostile_images import SLOW_BMP
from tests.support.project_copy import PROJECT
from tests.support.waiting import wait_until

FOUR = encoded(picture("4"))


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(environment_with())
    yield decoder
    decoder.close()


def children() -> set[int]:
    """Return the decoders that this process has started."""
    tasks = Path("/proc/self/task").glob("*/children")
    pids = {int(pid) for task in tasks for pid in task.read_text().split()}
    return {pid for pid in pids if b"app.drawings.decoder" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def test_image_is_read_as_in_this_process(decoder: Decoder) -> None:
    for data in (FOUR, encoded(picture("7"), "JPEG"), encoded(picture("2"), "WEBP")):
        assert decoder.read(data) == read_image(data).tobytes()


@pytest.mark.parametrize("data", [b"", b"no image", FOUR[:-50]])
def test_refusal_is_the_same_and_the_process_stays(decoder: Decoder, data: bytes) -> None:
    with pytest.raises(ImageError) as expected:
        read_image(data)
    decoder.read(FOUR)
    before = children()
    with pytest.raises(ImageError, match=str(expected.value)):
        decoder.read(data)
    assert children() == before != set()


@pytest.mark.slow
def test_image_that_takes_too_long_is_refused_and_the_next_is_read() -> None:
    decoder = Decoder(environment_with(), cpu_limit_s=0.2)
    with pytest.raises(ImageError, match="too long"):
        decoder.read(SLOW_BMP)
    assert decoder.read(FOUR) == read_image(FOUR).tobytes()
    decoder.close()


def test_killed_process_is_replaced(decoder: Decoder) -> None:
    before = children()
    decoder.read(FOUR)
    (pid,) = children() - before
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z", "the process has ended")
    assert decoder.read(FOUR) == read_image(FOUR).tobytes()


def test_stopped_process_is_replaced_at_the_deadline(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    decoder.read(FOUR)
    (pid,) = children() - before
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr("app.drawings.decoder.DEADLINE_S", 0.2)
    with pytest.raises(DecoderBusy):
        decoder.read(FOUR)
    monkeypatch.undo()
    assert decoder.read(FOUR) == read_image(FOUR).tobytes()


def test_process_that_cannot_start_is_busy() -> None:
    decoder = Decoder({**environment_with(), "PYTHONHOME": "/no-such-folder"})
    with pytest.raises(DecoderBusy):
        decoder.read(FOUR)
    decoder.close()


WITH_FEW_FILES = """
import os, resource, sys
from app.config import environment_with
from app.drawings.decoder import Decoder, DecoderBusy
data = sys.stdin.buffer.read()
decoder = Decoder(environment_with())
files = set(os.listdir("/proc/self/fd"))
lowest = os.dup(0)
os.close(lowest)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for free in range(5):
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + free, hard))
    try:
        decoder.read(data)
    except DecoderBusy:
        print("busy")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert set(os.listdir("/proc/self/fd")) == files
print(len(decoder.read(data)))
decoder.close()
"""


def test_decoder_without_files_for_its_process_is_busy_until_there_are_some() -> None:
    command = [sys.executable, "-W", "error", "-c", WITH_FEW_FILES]
    ended = subprocess.run(command, cwd=PROJECT, input=FOUR, capture_output=True, check=False)
    assert ended.stdout.decode().split() == ["busy"] * 5 + ["784"], ended.stderr.decode()
    assert "Too many open files" in ended.stderr.decode()


def test_process_starts_with_the_first_image_and_ends_with_its_decoder() -> None:
    before = children()
    decoder = Decoder(environment_with())
    assert children() == before
    decoder.read(FOUR)
    assert len(children() - before) == 1
    decoder.close()
    assert children() == before


PARENT = """
import sys, time
from app.config import environment_with
from app.drawings.decoder import Decoder
decoder = Decoder(environment_with())
decoder.read(sys.stdin.buffer.read())
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_process_ends_when_the_service_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write(FOUR)
        parent.stdin.close()
        assert parent.stdout.readline() == b"ready\n"
        tasks = Path(f"/proc/{parent.pid}/task").glob("*/children")
        (pid,) = {pid for task in tasks for pid in task.read_text().split()}
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the process has ended")
