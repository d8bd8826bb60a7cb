"""What an attack increases: losses of each example."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lossy_lightning.core import InputError

Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits ``(N, K)`` and targets ``(N,)`` to the loss of each example ``(N,)``."""


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of each example, nats: ``(N, K)`` and ``(N,)`` to ``(N,)``, in float32 or wider."""
    return F.cross_entropy(logits if logits.dtype == torch.float64 else logits.float(), target, reduction="none")


def margin(logits: Tensor, target: Tensor) -> Tensor:
    """Greatest other logit less the target's, of each example: positive if the target loses.

    Source: Carlini & Wagner, Towards evaluating the robustness of neural networks, IEEE S&P 2017, section VI.
    """
    index = target.unsqueeze(1)
    return logits.scatter(1, index, -torch.inf).amax(1) - logits.gather(1, index).squeeze(1)


@torch.no_grad()
def judged(forward: Callable[[Tensor], Tensor], code: Tensor, target: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
    """Logits ``(N, K)`` and the loss of each example ``(N,)``, without gradient."""
    logits = forward(code)
    return logits, loss(logits, target)


def at_temperature(loss: Loss, temperature: float) -> Loss:
    """The loss of logits divided by a temperature, against gradients that vanish because the softmax saturates.

    Source: Gupta & Ajanthan, Improved gradient-based adversarial attacks for quantized networks, AAAI 2022, section 4.

    Raises:
        ValueError: If the temperature is not positive.
    """
    if not temperature > 0:
        raise InputError(f"a temperature is positive; got {temperature}")
    return lambda logits, target: loss(logits / temperature, target)
