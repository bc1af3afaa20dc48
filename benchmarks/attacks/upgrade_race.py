"""The service's user tries to take a name in its folder while root copies the code there.

Needs root. An attack succeeds if root's copy ends without an error and the service's user owns or wrote a part of it.
"""

import itertools
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# Every Debian machine has this account; it replaces produser here.
SERVICE_USER = "www-data"
PARTS = ("app", "init_db.py", "scripts")
TRIES = 1000

# What setup-server.sh of 0.9 did, to show that the attack works.
UNSAFE = """
cd "$1"; root=$2; shift 3
staging=$(mktemp -d "$root/.new.XXXXXXXX")
for part in "$@"; do cp -R "$part" "$staging/part"; rm -rf "${root:?}/$part"; mv "$staging/part" "$root/$part"; done
rm -r "$staging"; chown -hR root:root "$root/app" "$root/init_db.py" "$root/scripts"
"""

# A folder with a file, or else a link to a folder, which is removed for the next try.
ATTACK = """
import os, pathlib, sys
root, user, group, *names = sys.argv[1:]
os.setgroups([]); os.setgid(int(group)); os.setuid(int(user)); os.chdir(root)
pathlib.Path("elsewhere").mkdir(exist_ok=True)
print("ready", flush=True)
def attempt(action, *arguments):
    try:
        action(*arguments)
    except OSError:
        return False
    return True
while True:
    for name in names:
        if attempt(os.mkdir, name):
            attempt(os.close, os.open(f"{name}/evil", os.O_CREAT | os.O_WRONLY)) if os.path.isdir(name) else None
        elif attempt(os.symlink, "elsewhere", name):
            attempt(os.unlink, name)
"""


@contextmanager
def attacker(root: Path) -> Iterator[None]:
    user = pwd.getpwnam(SERVICE_USER)
    command = [sys.executable, "-c", ATTACK, root, str(user.pw_uid), str(user.pw_gid), *PARTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def make_clone(folder: Path, version: str) -> Path:
    """Make a tiny copy of the project in which every part names the version."""
    for name in ("app", "scripts", "models"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text(version)
    (folder / "init_db.py").write_text(version)
    shutil.copy(PROJECT / "scripts/copy-code", folder / "scripts")
    return folder


def taken(root: Path) -> bool:
    """Return whether the service's user owns or has written anything that root has copied."""
    found = [path for name in PARTS for path in (root / name, *(root / name).rglob("*"))]
    return any(path.is_symlink() or path.lstat().st_uid != 0 or path.name == "evil" for path in found)


def race(tries: int, *, unsafe: bool = False) -> Counter[str]:
    """Copy the code so often; every second time the parts are new. Count the outcomes."""
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        root = folder / "pixelwise"
        subprocess.run(["install", "-d", "-g", SERVICE_USER, "-m", "1771", root], check=True)
        clones = itertools.cycle([make_clone(folder / "one", "one"), make_clone(folder / "two", "two")])
        with attacker(root):
            for number in range(tries):
                if number % 2:
                    subprocess.run(["rm", "-rf", *(root / part for part in PARTS)], check=False)
                clone = next(clones)
                command: list[str | Path] = [clone / "scripts/copy-code", root, SERVICE_USER, *PARTS]
                if unsafe:
                    command = ["bash", "-euc", UNSAFE, "bash", clone, root, SERVICE_USER, *PARTS]
                done = subprocess.run(command, capture_output=True, check=False)
                if done.returncode:
                    outcomes["refused"] += 1
                else:
                    outcomes["taken" if taken(root) else "copied"] += 1
    return outcomes


def main() -> int:
    if os.geteuid() != 0:
        print("needs root", file=sys.stderr)
        return 1
    print("| copy | tries | as wanted | ended with an error | taken by the service's user |\n|---|---|---|---|---|")
    for label, unsafe in (("version 0.9", True), ("this version", False)):
        outcomes = race(TRIES, unsafe=unsafe)
        print(f"| {label} | {TRIES} | {outcomes['copied']} | {outcomes['refused']} | {outcomes['taken']} |", flush=True)
    return 1 if outcomes["taken"] else 0


if __name__ == "__main__":
    sys.exit(main())
