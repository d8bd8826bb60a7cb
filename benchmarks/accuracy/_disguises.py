"""Layers that hide a network's gradient, and no robustness behind them; each keeps the images nearly as they are."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Steps(nn.Module):
    """A sigmoid in 40 steps, undone: as in `torch`, the slope of rounding is zero."""

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1]."""
        levels = torch.round(torch.sigmoid(4 * (x - 0.5)) * 40) / 40
        return 0.5 + torch.logit(levels.clamp(0.02, 0.98)) / 4


class Shuffled(nn.Module):
    """Rounds to 1/16; the backward pass gives each value the gradient of another."""

    class _Round(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return torch.round(x * 16) / 16

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Tensor:
            flat = grads[0].flatten(1)
            order = torch.randperm(flat.shape[1], generator=torch.Generator().manual_seed(1))
            return flat[:, order].view_as(grads[0])

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1]."""
        rounded: Tensor = self._Round.apply(x)  # type: ignore[no-untyped-call]
        return rounded


class Teeth(nn.Module):
    """Adds a falling sawtooth, so that within a tooth the slope is negative."""

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1]."""
        phase = 61.7 * x
        return x + 0.024 * (0.5 - (phase - phase.floor()))


class Saturated(nn.Module):
    """Logits past a hyperbolic tangent."""

    def forward(self, logits: Tensor) -> Tensor:
        """``(N, K)``."""
        return torch.tanh(8 * logits)


class Noise(nn.Module):
    """Adds noise to the images, in evaluation too."""

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1]."""
        return x + 0.06 * torch.randn_like(x)


class Dropped(nn.Module):
    """Drops a tenth of the values, in evaluation too."""

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1]."""
        return 0.9 * F.dropout(x, 0.1, training=True)


class Winners(nn.Module):
    """Keeps the greatest sixth of the features of each image."""

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)``."""
        flat = x.flatten(1)
        least = flat.topk(flat.shape[1] // 6, 1).values[:, -1:]
        return (flat * (flat >= least)).view_as(x)


REHEARSED: dict[str, tuple[int, nn.Module]] = {
    "sigmoid in steps": (0, Steps()),
    "shuffled gradient": (0, Shuffled()),
    "sawtooth": (0, Teeth()),
    "saturated logits": (6, Saturated()),
    "noise": (0, Noise()),
    "dropped values": (0, Dropped()),
    "winners": (2, Winners()),
}
"""Before which layer of the network each stands. The self-check and its threshold were fixed on these."""


class Leak(nn.Module):
    """Rounds to 1/256; a live slope of 0.001, turned by a random sign a value, pretends a gradient."""

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1]."""
        generator = torch.Generator().manual_seed(0)
        sign = (torch.randint(0, 2, x.shape[1:], generator=generator) * 2 - 1).to(x)
        leak = 1e-3 * x * sign
        return torch.round(x * 256) / 256 + leak - leak.detach()


class Sine(nn.Module):
    """Adds a sine too small to see, six times as steep as the picture, whose slope turns from level to level."""

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1]."""
        return x + 0.01 * torch.sin(2 * torch.pi * 94.35 * x)


class RandomBackward(nn.Module):
    """The identity, whose backward pass is noise."""

    class _Step(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Tensor:
            return torch.randn_like(grads[0]) * grads[0].abs().mean()

    def forward(self, x: Tensor) -> Tensor:
        """Images in [0, 1]."""
        same: Tensor = self._Step.apply(x)  # type: ignore[no-untyped-call]
        return same


UNSEEN: dict[str, tuple[int, nn.Module]] = {
    "rounding with a leak": (0, Leak()),
    "sine": (0, Sine()),
    "random backward": (0, RandomBackward()),
}
"""Tried only after the self-check and its threshold were fixed."""
