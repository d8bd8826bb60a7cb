"""What layers and quantizers compute with, compared with what they declare."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from lossy_lightning.callbacks._products import is_pair, moved, operands
from lossy_lightning.profiling import declared_bit_width, is_quant_tensor, quant_tensor_bit_width, stray_values

_WEIGHT, _INPUT = "weight", "input"


class Checked(NamedTuple):
    """What a quantizer put out, and was compared with its width."""

    bit_width: int
    role: str


def is_quantized(layer: nn.Module) -> bool:
    """Whether a layer declares widths."""
    return hasattr(layer, "weight_quant") or hasattr(layer, "input_quant")


def channel_axis(layer: nn.Module) -> int:
    """The axis of the output channels in a layer's weights."""
    return int(getattr(layer, "output_channel_dim", 0))


def quantizer_check(
    layer: str, role: str, axis: int | None, checked: Any, say: Callable[[str], None]
) -> Callable[..., None]:
    """A hook that checks the output of a quantizer against the width declared with it."""

    def hook(quantizer: nn.Module, args: Any, output: Any) -> None:
        if not getattr(quantizer, "is_quant_enabled", True) or not is_quant_tensor(output):
            return
        with _said(say, f"the {role} of layer {layer!r}"):
            bit_width = quant_tensor_bit_width(output)
            _check(layer, role, output, bit_width, axis)
            checked[output.value] = Checked(bit_width, role.removesuffix("_quant"))

    return hook


class Layer(TorchFunctionMode):
    """Watches what one layer multiplies while its `forward` runs.

    An operand is a weight or the input by where it comes from: the layer's parameters and its weight quantizer, or what
    the layer was given and its input quantizer, moved about or not. Of other operands, in products of two, the first is
    the input and the second the weight.
    """

    def __init__(self, name: str, layer: nn.Module, checked: Any, say: Callable[[str], None]) -> None:
        super().__init__()
        self.name = name
        self.axis = channel_axis(layer)
        self.weight_bits = declared_bit_width(getattr(layer, "weight_quant", None))
        self.own_input_bits = declared_bit_width(getattr(layer, "input_quant", None))
        self.input_bits = self.own_input_bits
        self.checked = checked
        self.say = say
        self.roles: Any = WeakTensorKeyDictionary()
        self.sources: Any = WeakTensorKeyDictionary()  # moved tensor -> what was moved

    def enter(self, layer: nn.Module, args: Any, kwargs: Any) -> None:
        """Take the declared width of the input, then watch."""
        given: Any = next(iter((*args, *kwargs.values())), None)
        self.input_bits = self.own_input_bits
        if self.input_bits is None and is_quant_tensor(given):
            self.input_bits = quant_tensor_bit_width(given)
        value = given.value if is_quant_tensor(given) else given
        if isinstance(value, Tensor):
            self.roles[value] = _INPUT
        for parameter in layer.parameters(recurse=False):
            if parameter.ndim > 1:
                self.roles[parameter] = _WEIGHT
        self.__enter__()  # type: ignore[no-untyped-call]

    def leave(self, layer: nn.Module, args: Any, output: Any) -> None:
        """Stop watching."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        multiplied = operands(func, args, kwargs)
        if multiplied is not None:
            with _said(self.say, f"what layer {self.name!r} multiplies by {func.__name__}"):
                self._see(multiplied, by_place=is_pair(func))
        out = func(*args, **kwargs)
        source = moved(func, args)
        if isinstance(source, Tensor):
            for tensor in (out,) if isinstance(out, Tensor) else out if isinstance(out, (list, tuple)) else ():
                if isinstance(tensor, Tensor) and tensor is not source:
                    self.sources[tensor] = source
        return out

    def _see(self, multiplied: list[Any], *, by_place: bool) -> None:
        """Check the operands of one product."""
        found = [self._source(operand) for operand in multiplied]
        roles = [self._role(operand) for operand in found]
        for place, (operand, role) in enumerate(zip(found, roles, strict=True)):
            if role is None and by_place:
                role = _INPUT if (place == 0) != (roles[0] == _WEIGHT) else _WEIGHT
            if role is not None:
                width = self.weight_bits if role == _WEIGHT else self.input_bits
                self._compare(role, operand, width, self.axis if role == _WEIGHT else None)

    def _source(self, operand: Any) -> Any:
        while isinstance(operand, Tensor) and operand in self.sources:
            operand = self.sources[operand]
        return operand

    def _role(self, operand: Any) -> str | None:
        value = operand.value if is_quant_tensor(operand) else operand
        if not isinstance(value, Tensor):
            return None
        known = self.checked.get(value)
        role = known.role if known is not None else self.roles.get(value)
        return role if role in (_WEIGHT, _INPUT) else None

    def _compare(self, role: str, operand: Any, bit_width: int | None, axis: int | None) -> None:
        value = operand.value if is_quant_tensor(operand) else operand
        if bit_width is None or not isinstance(value, Tensor):
            return
        known = self.checked.get(value)
        if known is None or known.bit_width > bit_width:
            _check(self.name, role, operand, bit_width, axis)


class _said:  # noqa: N801 - a context manager
    """Turns whatever goes wrong while checking into a word, but for what the check finds."""

    def __init__(self, say: Callable[[str], None], what: str) -> None:
        self.say = say
        self.what = what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        if not isinstance(error, Exception) or isinstance(error, MisconfigurationException):
            return False
        self.say(f"{self.what}: {type(error).__name__}: {error}")
        return True


def _check(layer: str, role: str, operand: Any, bit_width: int, axis: int | None) -> None:
    """Check some values, quantized tensors by their scale.

    Raises:
        MisconfigurationException: If they take more than their bits.
    """
    value, scale, zero_point = operand, None, None
    with torch.no_grad():
        if is_quant_tensor(operand):
            value, scale, zero_point = operand.value, operand.scale, operand.zero_point
            if hasattr(operand, "mantissa_bit_width"):  # steps of unequal size
                value, scale, zero_point = _significant(value / scale), None, None
        stray = stray_values(value, bit_width, scale, zero_point, axis)
    if stray is not None:
        raise MisconfigurationException(
            f"layer {layer!r} declares {bit_width} bits for its {role}, which takes values such as {stray.tolist()}; "
            f"{bit_width} bits allow at most {2**bit_width} values, the steps of one scale. "
            "Quantize what enters the layer, or declare the width that it really has."
        )


def _significant(value: Tensor) -> Tensor:
    """Floats with the twelve leading bits of their mantissa, free of what division by a scale rounds."""
    mantissa, exponent = torch.frexp(value.float())
    return torch.ldexp((mantissa * 4096).round() / 4096, exponent)
