"""The target of an attack: a batch of codes, their spec, and the model as a function of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from lossy_lightning.attacks import Fixed, Forward, fixed_values, is_right
from lossy_lightning.callbacks._datamodule import spec_of_data
from lossy_lightning.callbacks._labels import check_output, classes_of
from lossy_lightning.callbacks._round_trip import decoded
from lossy_lightning.core import Codec, CodeSpec, Field

Range = int | tuple[int, ...] | None
"""An end of the codes' range: one number, one per channel, or None if it is not given."""


class Victim(NamedTuple):
    """A batch, and the model as a function of codes.

    Attributes:
        model: The model, whose stem is looked for.
        forward: Integer codes ``(N, C, *grid)`` to logits ``(N, K)``, through the model.
        code: ``(N, C, *grid)``, integer.
        target: ``(N,)``, the true classes; or anything else that a loss takes, if the model is no classifier.
        classifies: Whether the model is a classifier, so that there is an accuracy.
        spec: Of the code.
        fields: Names of the fields that are attacked, all of one kind.
        codec: From code to signal and back, if there is one.
    """

    model: nn.Module
    forward: Forward
    code: Tensor
    target: Tensor
    classifies: bool
    spec: CodeSpec
    fields: tuple[str, ...]
    codec: Codec | None

    @property
    def ordinal(self) -> bool:
        """Whether the attacked values have an order, so that they move by steps; categories are replaced."""
        return self.spec.field(self.fields[0]).ordinal

    @property
    def fixed(self) -> Fixed | None:
        """The values that stay, None if all may change."""
        whole = len(self.fields) == len(self.spec.fields) and all(f.absent is None for f in self.spec.fields)
        return None if whole else fixed_values(self.spec, self.fields)

    def accuracy(self, code: Tensor) -> float:
        """Share of the batch that the model classifies correctly, given these codes instead of its own."""
        return float(is_right(self.forward, code, self.target).float().mean())


def find_victim(
    trainer: Trainer,
    code: Tensor,
    target: Tensor,
    model: nn.Module,
    codec: Codec | None,
    low: Range,
    high: Range,
    fields: Sequence[str] | None,
    forward: Forward,
    loss_given: bool,
) -> Victim:
    """What is attacked.

    Args:
        trainer: The model runs in its precision; its datamodule may know the spec.
        code: ``(N, C, *grid)``; an error if it is not of integers.
        target: The true classes, or whatever else the loss takes.
        model: The model.
        codec: From code to signal and back, if there is one.
        low: Least code value; None: that of the datamodule's or codec's spec.
        high: Greatest code value, inclusive; None with ``low``.
        fields: Names of the fields to attack; None: as `attacked_fields` chooses.
        forward: From codes to logits, through the model.
        loss_given: Whether the loss is the user's, so that a model that is no classifier can be attacked, too.

    Raises:
        MisconfigurationException: If codes, range or logits do not fit; the message says what to pass.
    """
    if code.is_floating_point():
        raise MisconfigurationException(
            f"it attacks integer codes, but input_fn gave {code.dtype}; pass an input_fn and a "
            "forward_fn, such as lambda batch: (255 * batch[0]).round().to(torch.uint8) and "
            "lambda model, code: model(code / 255)"
        )
    try:
        with torch.no_grad():
            output = forward(code)
    except MisconfigurationException:
        raise
    except Exception as error:  # whatever the model says to codes
        raise MisconfigurationException(
            f"the model cannot be run on integer codes ({error}); pass a forward_fn that can, such as "
            "lambda model, code: model(code / 255)"
        ) from error
    classes = classes_of(target, output)
    if classes is None and not loss_given:
        raise MisconfigurationException(
            "it attacks classifiers, with logits (N, K) and one class an example; this model gave "
            f"{tuple(output.shape)} and the batch targets of {target.dtype} and shape {tuple(target.shape)}: pass an "
            "output_fn or a target_fn that returns these, or, for a regression or several labels, a loss_fn, such as "
            "lambda output, target: (output - target).square().flatten(1).mean(1)"
        )
    spec = _spec(trainer, code, codec, low, high)
    spec.check(code)
    target = target if classes is None else classes
    return Victim(model, forward, code, target, classes is not None, spec, attacked_fields(spec, fields), codec)


def attacked_fields(spec: CodeSpec, fields: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the fields to attack.

    Args:
        spec: Of the code.
        fields: Names; None: all ordinal fields, or, if there are none, all of them. Constant fields are left out.

    Raises:
        MisconfigurationException: If no field, fields of both kinds, or a constant field is named.

    Example:
        >>> spec = CodeSpec([Field("mean", (0,), (255,), True), Field("shape", (0,), (15,), False)], (7, 7))
        >>> attacked_fields(spec, None), attacked_fields(spec, ["shape"])
        (('mean',), ('shape',))
    """
    if fields is None:
        free = [field for field in spec.fields if not field.constant]
        return tuple(field.name for field in free if field.ordinal) or tuple(field.name for field in free)
    chosen = [spec.field(name) for name in fields]
    if len({field.ordinal for field in chosen}) != 1 or any(field.constant for field in chosen):
        kinds = {field.name: "constant" if field.constant else _kind(field) for field in spec.fields}
        raise MisconfigurationException(
            f"it attacks fields of one kind, ordinal ones or categories, and no constant ones; got "
            f"fields={list(fields)} of a code with {kinds}"
        )
    return tuple(fields)


def _kind(field: Field) -> str:
    return "ordinal" if field.ordinal else "categories"


def forward_of(
    trainer: Trainer,
    model: nn.Module,
    forward_fn: Callable[[Any, Tensor], Any],
    output_fn: Callable[[Any], Any],
) -> Forward:
    """A model as a function of codes, in the trainer's precision."""
    precision = trainer.precision_plugin

    def forward(code: Tensor) -> Tensor:
        with precision.forward_context():
            output = output_fn(forward_fn(model, precision.convert_input(code)))
        return check_output(output, len(code))

    return forward


def prepare(models: nn.Module) -> None:
    """Make models ready to be differentiated by their inputs.

    Parameters are frozen, since nothing is wanted of their gradients. What was computed in inference mode and kept as
    an attribute, such as a table made at first use, is cloned, since such tensors cannot carry a gradient.
    """
    models.requires_grad_(False)
    for module in models.modules():
        for name, value in vars(module).items():
            if name not in ("_parameters", "_modules"):
                module.__dict__[name] = tree_map_only(Tensor, _normal, value)


def _normal(tensor: Tensor) -> Tensor:
    return tensor.clone() if tensor.is_inference() else tensor


def _spec(trainer: Trainer, code: Tensor, codec: Codec | None, low: Range, high: Range) -> CodeSpec:
    """The code's spec: of one ordinal field with the range given, or else the datamodule's, or the codec's."""
    if low is not None and high is not None:
        channels = code.shape[1]
        least, greatest = ((end,) * channels if isinstance(end, int) else tuple(end) for end in (low, high))
        return CodeSpec([Field("code", least, greatest, ordinal=True)], tuple(code.shape[2:]))
    spec = spec_of_data(trainer)
    if spec is not None:
        return spec
    if codec is None:
        raise MisconfigurationException(
            "it does not know the range of the codes; pass low and high, such as 0 and 255, or a codec"
        )
    return codec.spec(tuple(decoded(codec, code[:1], None).shape[1:]))
