"""An image as deploy/Containerfile makes it, in a folder, and its processes without an engine for containers.

bubblewrap gives each step and each process a root of its own. In place of a base image they see this machine's /usr and
this run's Python, and in place of pip's download the packages of this run that requirements.txt names.
"""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from tests.support.project_copy import PROJECT, SECONDS
from tests.test_requirements import installed_here

CONTAINERFILE = PROJECT / "deploy/Containerfile"
USER = 10001


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Containerfile: name and argument."""
    joined = re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [(name, argument) for name, _, argument in (line.partition(" ") for line in joined.splitlines()) if name]


@dataclass
class Image:
    """A root folder, and what the Containerfile says of its processes."""

    root: Path
    work: str = "/"
    user: int = 0
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/bin"})
    volumes: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def command_line(self, *command: str, read_only: bool = True, **extra: str) -> list[str]:
        """The command, as the image's user in the image; `read_only` as with `docker run --read-only`."""
        # This machine's /usr may have another Python's library.
        variables = {"HOME": "/", "LD_LIBRARY_PATH": "/usr/local/lib", **self.environment, **extra}
        drop = ("setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--no-new-privs")
        return [
            *("bwrap", "--cap-add", "ALL", "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--clearenv"),
            *("--ro-bind" if read_only else "--bind", str(self.root), "/"),
            *("--ro-bind", "/usr", "/usr", "--ro-bind", sys.base_prefix, "/usr/local"),
            *(part for volume in self.volumes for part in ("--bind", f"{self.root}{volume}", volume)),
            *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", self.work),
            *(part for name, value in variables.items() for part in ("--setenv", name, value)),
            *(drop if read_only else ()),
            *command,
        ]

    def run(self, *command: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command_line(*command, **extra), capture_output=True, text=True, timeout=SECONDS)

    def build(self, name: str, argument: str) -> None:
        """Do one instruction of the Containerfile."""
        match name:
            case "WORKDIR":
                self.work = argument
                (self.root / argument[1:]).mkdir(parents=True, exist_ok=True)
            case "COPY" if not argument.startswith("--from"):
                *sources, target = argument.split()
                for source in sources:
                    self._copy(PROJECT / source, self.root / self.work[1:] / target)
            case "RUN" if not argument.startswith("pip "):
                step = self.command_line("sh", "-euc", argument, read_only=False)
                subprocess.run(step, check=True, timeout=SECONDS)
            case "RUN":
                link_packages(self.root / self.work[1:] / ".venv")
            case "ENV":
                self.environment |= dict(re.findall(r"(\w+)=(\S+)", argument))
            case "USER":
                self.user = int(argument.partition(":")[0])
            case "VOLUME":
                self.volumes.append(argument)
            case "CMD":
                self.command = json.loads(argument)
            case "HEALTHCHECK":
                self.health = json.loads(argument[argument.index("CMD ") + 4 :])
            case "FROM" | "EXPOSE" | "COPY":
                """Both stages are built in one folder."""
            case _:
                raise AssertionError(f"unknown instruction {name}")

    def _copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def link_packages(venv: Path) -> None:
    """Link or copy the packages of requirements.txt, and no others, into a virtual environment."""
    source = Path(sys.prefix) / f"lib/python3.{sys.version_info.minor}/site-packages"
    target = venv / f"lib/python3.{sys.version_info.minor}/site-packages"
    files = [file for each in installed_here(".") for file in metadata.files(each.name) or ()]
    parts = {file.parts[0] for file in files} - {"..", "__pycache__"}
    how = "--link" if source.stat().st_dev == target.stat().st_dev else "--preserve=timestamps"
    subprocess.run(["cp", "--recursive", how, *(source / part for part in parts), target], check=True, timeout=SECONDS)
    for program in ("uvicorn", "alembic"):
        text = (Path(sys.prefix) / "bin" / program).read_text()
        (venv / "bin" / program).write_text(re.sub(r"^#!.*", "#!/opt/pixelwise/.venv/bin/python", text))
        (venv / "bin" / program).chmod(0o755)


def build_image(root: Path) -> Image:
    """Build the image in a new folder."""
    for name in ("etc", "usr/local", "proc", "dev", "tmp", "data"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "data").rmdir()
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    image = Image(root)
    for name, argument in instructions(CONTAINERFILE.read_text()):
        image.build(name, argument)
    return image
