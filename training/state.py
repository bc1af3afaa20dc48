"""The state of a training, which can be written and read again."""

import hashlib
import io
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.material import Material
from training.network import DigitNetwork, Teacher

_BROKEN = (AttributeError, EOFError, KeyError, RuntimeError, TypeError, pickle.UnpicklingError)
"""What `torch.load` and `load_state_dict` raise for other files."""


class CheckpointError(Exception):
    """A file from which this training cannot go on."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file; a stop at any time leaves the old file or the new one."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    new.replace(path)


def save(path: Path, state: dict[str, Any]) -> None:
    content = io.BytesIO()
    torch.save(state, content)
    write_whole(path, content.getvalue())


def load_teacher(path: Path) -> Teacher:
    """Read a teacher; raise CheckpointError for another file."""
    teacher = Teacher()
    try:
        teacher.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except _BROKEN as error:
        raise CheckpointError(f"{path} is not a teacher") from error
    return teacher


@dataclass
class State:
    """All that a step changes; what is needed to go on later."""

    network: DigitNetwork
    average: DigitNetwork
    optimiser: torch.optim.Optimizer
    drawn: Tensor
    """State of the generator after the last batch that was trained on."""
    step: int = 0
    seconds: float = 0.0
    gpu: str | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    """What decides the result."""

    def save(self, path: Path) -> None:
        content = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "drawn": self.drawn,
            "dropout": torch.get_rng_state(),
            "step": self.step,
            "seconds": self.seconds,
            "gpu": self.gpu,
            "plan": self.plan,
        }
        save(path, content)

    def load(self, path: Path) -> None:
        """Go on where `save` was called; raise CheckpointError for a file of another plan."""
        try:
            content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
            plan = content.get("plan", {})
        except _BROKEN as error:
            raise CheckpointError(f"{path} is not a checkpoint") from error
        if plan != self.plan:
            names = [name for name, value in self.plan.items() if name in plan and plan[name] != value]
            different = f" (different: {', '.join(names)})" if names else ""
            raise CheckpointError(
                f"{path} is the checkpoint of another training{different}; name another file, or delete it"
            )
        for name in ("network", "average", "optimiser"):
            getattr(self, name).load_state_dict(content[name])
        self.drawn = content["drawn"]
        torch.set_rng_state(content["dropout"])
        self.step, self.seconds, self.gpu = content["step"], content["seconds"], content["gpu"]


def plan_of(
    material: Material, start: DigitNetwork | None, teachers: Sequence[DigitNetwork], epochs: int, seed: int
) -> dict[str, Any]:
    """Return all that decides the result of a training, by the option that gives it."""
    return {
        "--epochs": epochs,
        "--seed": seed,
        "--device": material.device.type,
        "--start-from": _checksum(start.state_dict().values()) if start else None,
        "--teacher": [_checksum(teacher.state_dict().values()) for teacher in teachers],
        "drawings": [str(material.kinds), _checksum(material.tensors())],
    }


def _checksum(tensors: Iterable[Tensor]) -> str:
    content = hashlib.sha256()
    for tensor in tensors:
        content.update(tensor.cpu().contiguous().numpy())
    return content.hexdigest()
