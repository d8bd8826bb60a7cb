"""A small network that learns to answer as a model does."""

from typing import Any

import torch
from torch import Generator, Tensor, nn

from lossy_lightning.attacks.gradient_step import columns

_EPOCHS, _BATCH, _RATE = 8, 128, 1e-3
_WIDTHS = (32, 64)
_GREATEST = 8
"""Features are averaged down to so many along each axis of the grid."""


class Student:
    """Two convolutions, or two layers of a code without grid, on values of zero mean and unit spread.

    Args:
        code: ``(N, C, *grid)``, integer: examples that tell mean and spread.
        spread: How far values will be moved, in code values.
        outputs: Logits of the model.
        seed: Of the weights.
    """

    def __init__(self, code: Tensor, spread: int, outputs: int, seed: int) -> None:
        values = code.float().transpose(0, 1).flatten(1)
        self.mean = columns(values.mean(1), code[0])
        self.size = columns((values.var(1, correction=0) + spread**2 + 1e-6).sqrt(), code[0])
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            self.net = _network(code.shape[1], tuple(code.shape[2:]), outputs).to(code.device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), _RATE)

    def __call__(self, values: Tensor) -> Tensor:
        """Code values as float32 ``(N, C, *grid)`` to logits."""
        logits: Tensor = self.net((values.float() - self.mean) / self.size)
        return logits

    def learn(self, code: Tensor, logits: Tensor, generator: Generator) -> None:
        """Go through codes and the model's logits for them some times.

        Args:
            code: ``(N, C, *grid)``, integer.
            logits: ``(N, K)``; only their differences count.
            generator: Of the order, on the CPU.
        """
        logits = logits - logits.mean(1, keepdim=True)
        logits = logits / logits.std(correction=0).clamp(min=1e-6)
        with torch.enable_grad():
            for _ in range(_EPOCHS):
                for index in torch.split(torch.randperm(len(code), generator=generator), _BATCH):
                    self.optimizer.zero_grad()
                    chosen = index.to(code.device)
                    (self(code[chosen]) - logits[chosen]).square().mean().backward()  # type: ignore[no-untyped-call]
                    self.optimizer.step()


def _network(channels: int, grid: tuple[int, ...], outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in _WIDTHS:
        # An axis is halved if there is something to halve.
        steps = tuple(2 if size >= 4 else 1 for size in grid)
        kernel = tuple(4 if step == 2 else 3 for step in steps)
        layers += [_convolution(channels, width, kernel, steps), nn.SiLU()]
        channels, grid = width, tuple(size // step for size, step in zip(grid, steps, strict=True))
    if any(size > _GREATEST for size in grid):
        grid = tuple(min(size, _GREATEST) for size in grid)
        layers.append((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[len(grid) - 1](grid))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * torch.Size(grid).numel(), outputs))


def _convolution(channels: int, width: int, kernel: tuple[int, ...], steps: tuple[int, ...]) -> nn.Module:
    if not kernel:
        return nn.Linear(channels, width)
    kind: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(kernel) - 1]
    layer: nn.Module = kind(channels, width, kernel, steps, 1)
    return layer
