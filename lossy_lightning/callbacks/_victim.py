"""What an attack is aimed at: a batch of codes, their range, and the model as a function of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from torch import Tensor, nn

from lossy_lightning.attacks import Forward, is_right
from lossy_lightning.callbacks._round_trip import decoded
from lossy_lightning.core import Codec, CodeSpec, Field

Range = int | tuple[int, ...] | None
"""An end of the codes' range: one number, one a channel, or None if it is not given."""


class Victim(NamedTuple):
    """A batch, and the model as a function of codes.

    Attributes:
        model: Whose stem is looked for.
        forward: Integer codes ``(N, C, *grid)`` to logits ``(N, K)``, by means of the model.
        code: ``(N, C, *grid)``, integer.
        target: ``(N,)``, the true classes.
        spec: Range and kind of the code.
        codec: From code to signal and back, if there is one.
    """

    model: nn.Module
    forward: Forward
    code: Tensor
    target: Tensor
    spec: CodeSpec
    codec: Codec | None

    def accuracy(self, code: Tensor) -> float:
        """Share of the batch that the model gets right with these codes in place of its own."""
        return float(is_right(self.forward, code, self.target).float().mean())


def find_victim(
    trainer: Trainer,
    model: nn.Module,
    code: Tensor,
    target: Tensor,
    codec: Codec | None,
    low: Range,
    high: Range,
    forward_fn: Callable[[Any, Tensor], Any],
) -> Victim:
    """What is attacked, or what it lacks.

    Args:
        trainer: Whose precision the model is run in, and whose datamodule may know the range.
        model: The model.
        code: ``(N, C, *grid)``; an error if it is not of integers.
        target: ``(N,)``, the true classes.
        codec: From code to signal and back, if there is one.
        low: Least code value; None: of the datamodule's spec, or the codec's.
        high: Greatest code value, inclusive; None with ``low``.
        forward_fn: From the model and codes to logits.

    Raises:
        MisconfigurationException: If codes, range or logits do not fit; the message says what to pass.
    """
    if code.is_floating_point():
        raise MisconfigurationException(
            f"GradientAttackMonitor attacks integer codes, but input_fn gave {code.dtype}; pass an input_fn and a "
            "forward_fn, such as lambda batch: (255 * batch[0]).round().to(torch.uint8) and "
            "lambda model, code: model(code / 255)"
        )
    forward = forward_of(trainer, model, forward_fn)
    try:
        with torch.no_grad():
            logits = forward(code)
    except (RuntimeError, ValueError, TypeError) as error:
        raise MisconfigurationException(
            f"the model cannot be run on integer codes ({error}); pass a forward_fn that can, such as "
            "lambda model, code: model(code / 255)"
        ) from error
    if logits.ndim != 2:
        raise MisconfigurationException(
            f"GradientAttackMonitor attacks classifiers, with logits (N, K); this model gave "
            f"{tuple(logits.shape)}: pass a forward_fn that returns logits"
        )
    return Victim(model, forward, code, target, _spec(trainer, code, codec, low, high), codec)


def forward_of(trainer: Trainer, model: nn.Module, forward_fn: Callable[[Any, Tensor], Any]) -> Forward:
    """A model as a function of codes, in the trainer's precision."""
    precision = trainer.precision_plugin

    def forward(code: Tensor) -> Tensor:
        with precision.forward_context():
            logits: Tensor = forward_fn(model, precision.convert_input(code))
        return logits

    return forward


def _spec(trainer: Trainer, code: Tensor, codec: Codec | None, low: Range, high: Range) -> CodeSpec:
    """The code's range and kind: as given, which is ordinal, or the datamodule's, or the codec's."""
    if low is not None and high is not None:
        channels = code.shape[1]
        least, greatest = ((end,) * channels if isinstance(end, int) else tuple(end) for end in (low, high))
        return CodeSpec([Field("code", least, greatest, ordinal=True)], tuple(code.shape[2:]))
    spec = getattr(getattr(trainer, "datamodule", None), "spec", None)
    if isinstance(spec, CodeSpec):
        return spec
    if codec is None:
        raise MisconfigurationException(
            "GradientAttackMonitor does not know the range of the codes; pass low and high, such as 0 and 255, "
            "or a codec"
        )
    return codec.spec(tuple(decoded(codec, code[:1], None).shape[1:]))
