"""What a model's output and a batch's targets say of classes."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor


def logits_of(output: Any) -> Any:
    """The logits in a model's output: the output itself, or what it keeps under the name ``logits``.

    Example:
        >>> logits_of({"logits": torch.ones(1, 2), "features": torch.ones(1, 5)})
        tensor([[1., 1.]])
    """
    return output["logits"] if isinstance(output, Mapping) and "logits" in output else output


def classes_of(target: Any, logits: Tensor) -> Tensor | None:
    """The class of each example.

    Args:
        target: Classes ``(N,)`` or ``(N, 1)``, of integers or of floats that are whole; or soft labels ``(N, K)``,
            which sum to 1 and stand for the class of the greatest share.
        logits: ``(N, K)``.

    Returns:
        int64, ``(N,)``; None if the targets are no classes, such as values to regress or several labels an example.

    Example:
        >>> classes_of(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.zeros(2, 2))
        tensor([0, 1])
    """
    target = torch.as_tensor(target, device=logits.device)
    if logits.ndim != 2 or logits.shape[1] < 2 or len(target) != len(logits):
        return None
    if target.shape == logits.shape:
        shares = target.double()
        return shares.argmax(1) if bool(((shares >= 0).all(1) & ((shares.sum(1) - 1).abs() < 1e-3)).all()) else None
    if target.shape not in ((len(logits),), (len(logits), 1)) or target.is_complex():
        return None
    flat = target.reshape(-1)
    whole = flat.long()
    fits = bool((whole == flat).all()) and bool((whole >= 0).all()) and bool((whole < logits.shape[1]).all())
    return whole if fits else None


def check_output(output: Any, count: int) -> Tensor:
    """The output of a model as logits.

    Raises:
        MisconfigurationException: If it is no tensor, or not one of so many examples; the message says what to pass.
    """
    if not isinstance(output, Tensor):
        held = f" of {sorted(map(str, output))}" if isinstance(output, Mapping) else ""
        raise MisconfigurationException(
            f"the model gives {type(output).__name__}{held} and no tensor; pass an output_fn that takes the logits out "
            "of it, such as lambda output: output[0]"
        )
    if not output.ndim or len(output) != count:
        raise MisconfigurationException(
            f"the model gives a tensor of shape {tuple(output.shape)} for {count} examples; pass an output_fn that "
            "returns logits (N, K)"
        )
    return output
