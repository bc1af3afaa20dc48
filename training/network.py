"""The network: a small convolutional classifier, some tens of microseconds per drawing."""

import torch
from torch import Tensor, nn


class DigitNetwork(nn.Module):
    """Four 3 x 3 convolutions and one linear layer: float32 (N, 1, 28, 28) in 0..1 to logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        # Almost no padding: the border of a normalised drawing is empty, and padding would double the cost.
        self.layers = nn.Sequential(
            *_block(1, 16),  # 26 x 26
            nn.MaxPool2d(2),
            *_block(16, 32),  # 11 x 11
            nn.MaxPool2d(2),
            *_block(32, 64, padding=1),  # 5 x 5
            *_block(64, 96),  # 3 x 3
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Linear(96 * 3 * 3, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits


def _block(inputs: int, outputs: int, padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


class Served(nn.Module):
    """The network as exported for the service: uint8 (N, 28, 28) to probabilities (N, 10)."""

    def __init__(self, network: DigitNetwork, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(images.unsqueeze(1).float() / 255)
        return torch.softmax(logits / self.temperature, dim=1)
