"""Gradients with respect to the inputs of a model, and whether any flow."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lossy_lightning.attacks._features import floats


def gradients(run: Callable[[], Tensor], leaves: Callable[[], Sequence[Tensor]]) -> list[Tensor | None] | None:
    """Gradients of a scalar with respect to some leaves, NaN and infinity replaced by finite numbers.

    A value whose gradient is NaN is one that the attack cannot judge, so it stays: its gradient is 0.

    Args:
        run: Computes the scalar.
        leaves: The tensors to differentiate by, asked for after `run`.

    Returns:
        One gradient for each leaf, None for one that the scalar does not depend on; None if no gradient flows at all.
    """
    with torch.enable_grad():
        total = run()
        if not total.requires_grad:
            return None
        try:
            found: Sequence[Tensor | None] = torch.autograd.grad(total, list(leaves()), allow_unused=True)
        except RuntimeError as error:
            if "heckpoint" not in str(error):
                raise
            # Reentrant checkpointing knows no gradient of chosen tensors, only one of all leaves.
            run().backward()  # type: ignore[no-untyped-call]
            found = [leaf.grad for leaf in leaves()]
    finite = [None if gradient is None else gradient.nan_to_num(nan=0.0) for gradient in found]
    return None if all(gradient is None for gradient in finite) else finite


def reads_floats(function: Callable[[Tensor], Any], code: Tensor) -> bool:
    """Whether a function of integer codes takes the same values as float32, too: an embedding or a shift does not.

    Args:
        function: One that takes the integer code.
        code: ``(N, C, *grid)``, integer.
    """
    try:
        with torch.no_grad():
            function(code.float())
    except torch.OutOfMemoryError:
        raise
    except Exception:  # whatever it says to floats
        return False
    return True


def reached_channels(function: Callable[[Tensor], Any], code: Tensor) -> Tensor | None:
    """The channels of a code that a function's own gradient reaches at some value of some example.

    Args:
        function: Of codes; its floating-point outputs are differentiated.
        code: ``(N, C, *grid)``, integer.

    Returns:
        bool, ``(C,)``: all False if the gradient flows but is zero. None if no gradient flows.
    """
    if not reads_floats(function, code[:1]):
        return None
    reached = torch.zeros(code.shape[1], dtype=torch.bool, device=code.device)
    for part in (code[:1], code[1:]):  # most often the first example tells it all
        if not len(part):
            break
        slope = _slope(function, part)
        if slope is None:
            return None
        reached |= any_by_channel(slope != 0)
        if bool(reached.all()):
            break
    return reached


def any_by_channel(mask: Tensor) -> Tensor:
    """Whether a mask ``(N, C, *grid)`` holds anywhere in each channel, ``(C,)``."""
    return mask.transpose(0, 1).flatten(1).any(1)


def _slope(function: Callable[[Tensor], Any], code: Tensor) -> Tensor | None:
    """Slope of all outputs, each with a weight of its own so that none cancel; None if no gradient flows."""
    values = code.float().requires_grad_()

    def run() -> Tensor:
        outputs = [output.flatten() for output in floats(function(values)) if output.requires_grad]
        output = torch.cat(outputs) if outputs else values.new_zeros(0)
        return (output * torch.linspace(1, 2, output.numel(), device=code.device)).sum()

    found = gradients(run, lambda: [values])
    return None if found is None else found[0]
