"""The state of a training, which can be written and read again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.network import DigitNetwork


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

    def save(self, path: Path) -> None:
        """Write the state; a stop at any time leaves the old file or the new one."""
        content = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "drawn": self.drawn,
            "dropout": torch.get_rng_state(),
            "step": self.step,
            "seconds": self.seconds,
            "gpu": self.gpu,
        }
        torch.save(content, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        """Go on where `save` was called."""
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        for name in ("network", "average", "optimiser"):
            getattr(self, name).load_state_dict(content[name])
        self.drawn = content["drawn"]
        torch.set_rng_state(content["dropout"])
        self.step, self.seconds, self.gpu = content["step"], content["seconds"], content["gpu"]
