"""The network: a small convolutional classifier, some tens of microseconds per drawing."""

import torch
from torch import Tensor, nn

CLASSES = 11
"""Ten digits and "not a digit"."""


class DigitNetwork(nn.Module):
    """Five convolutions and one linear layer: float32 (N, 1, 28, 28) in 0..1 to logits (N, 11)."""

    def __init__(self) -> None:
        super().__init__()
        # Almost no padding: the border of a normalised drawing is empty, and padding would double the cost.
        self.layers = nn.Sequential(
            *_block(1, 16, side=5, stride=2),  # 12 x 12
            *_block(16, 32),  # 10 x 10
            nn.MaxPool2d(2),
            *_block(32, 64, padding=1),  # 5 x 5
            *_block(64, 96),  # 3 x 3
            *_block(96, 96),  # 1 x 1
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Linear(96, CLASSES),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits


class Teacher(DigitNetwork):
    """A network that is seven times as large and too slow for the service; the small one learns from its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_block(1, 32, padding=1),  # 28 x 28
            *_block(32, 64),  # 26 x 26
            nn.MaxPool2d(2),
            *_block(64, 128, padding=1),  # 13 x 13
            *_block(128, 128),  # 11 x 11
            nn.MaxPool2d(2),
            *_block(128, 192, padding=1),  # 5 x 5
            *_block(192, 192),  # 3 x 3
            *_block(192, 256),  # 1 x 1
            nn.Dropout(0.3),
            nn.Flatten(),
            nn.Linear(256, CLASSES),
        )


def _block(inputs: int, outputs: int, side: int = 3, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, side, stride=stride, padding=padding, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


class Served(nn.Module):
    """The network as exported for the service: uint8 (N, 28, 28) to float32 (N, 11).

    The first ten numbers are the scores of the digits, which sum to 1; the last is the probability q of no digit, a
    tenth of which each score includes.
    """

    def __init__(self, network: DigitNetwork) -> None:
        super().__init__()
        self.network = network
        shared = torch.eye(CLASSES)
        shared[-1, :-1] = 0.1
        self.register_buffer("shared", shared)

    def forward(self, images: Tensor) -> Tensor:
        probabilities = torch.softmax(self.network(images.unsqueeze(1).float()), dim=1)
        scores: Tensor = probabilities @ self.shared
        return scores
