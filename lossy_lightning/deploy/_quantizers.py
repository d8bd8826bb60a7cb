"""Quantizers as operations that a QONNX file names."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lossy_lightning.core import InputError
from lossy_lightning.profiling import is_quant_tensor, is_quantizer

_DOMAIN = "qonnx.custom_op.general"


class _Quantizer(NamedTuple):
    """What a quantizer was seen to do."""

    scale: Tensor
    bit_width: int
    signed: bool
    narrow: bool

    def apply(self, x: Tensor) -> Tensor:
        """What QONNX computes."""
        if self.bit_width == 1:
            return (x >= 0).to(x.dtype).mul(2).sub(1) * self.scale
        least = -(2 ** (self.bit_width - 1)) + self.narrow if self.signed else 0
        greatest = 2 ** (self.bit_width - self.signed) - 1 - (self.narrow and not self.signed)
        return (x / self.scale).clamp(least, greatest).round() * self.scale

    def mark(self, x: Tensor) -> Tensor:
        """The same as an operation of the file."""
        name: str
        inputs: tuple[Tensor, ...]
        attributes: dict[str, Any] | None
        if self.bit_width == 1:
            name, inputs, attributes = "BipolarQuant", (x, self.scale), None
        else:
            name, inputs = "Quant", (x, self.scale, torch.zeros(()), torch.tensor(float(self.bit_width)))
            attributes = {"signed": int(self.signed), "narrow": int(self.narrow), "rounding_mode": "ROUND"}
        return torch.onnx.ops.symbolic(
            f"{_DOMAIN}::{name}", inputs, attributes, dtype=x.dtype, shape=x.shape, version=1
        )


class Quantizers:
    """What the quantizers of a network do, seen in one forward; then what stands in for each.

    Args:
        named: Whether the file names them, as QONNX does; else they are plain arithmetic.
    """

    def __init__(self, named: bool) -> None:
        self.named = named
        self._seen: dict[str, tuple[_Quantizer, Any]] = {}

    def watch(self, model: nn.Module, code: Tensor) -> Any:
        """See what each does in a forward.

        Returns:
            What the model returned.

        Raises:
            ValueError: If one is to be named that rounds otherwise than QONNX's operations.
        """
        quantizers = [(name, module) for name, module in model.named_modules() if is_quantizer(module)]
        handles = [module.register_forward_hook(partial(self._see, name)) for name, module in quantizers]
        try:
            return model(code)
        finally:
            for handle in handles:
                handle.remove()

    def _see(self, name: str, quantizer: nn.Module, arguments: tuple[Any, ...], result: Any) -> None:
        if not is_quant_tensor(result) or not getattr(quantizer, "is_quant_enabled", True):
            return
        given = _plain(arguments[0])
        for candidate in _candidates(result):
            if torch.equal(candidate.apply(given), result.value):
                self._seen[name] = candidate, result
                return
        if self.named:
            raise InputError(
                f"{name or 'the model'} ({type(quantizer).__name__}) rounds as no operation of QONNX does; those are "
                "signs and integers about a zero point of 0, half to even: quantize otherwise, or use export_onnx"
            )

    def stand_in(self, name: str, module: nn.Module) -> Callable[..., Any] | None:
        """What stands in for a quantizer; None of other modules."""
        if name not in self._seen:
            return None
        quantizer, result = self._seen[name]
        quantize = quantizer.mark if self.named else quantizer.apply
        # Brevitas's own tensors ask for the values of zero points, which cannot be traced; its layers take plain ones.
        plain = hasattr(result, "signed_t")

        def forward(x: Any, *_: Any) -> Any:
            value = quantize(_plain(x))
            return value if plain else result._replace(value=value)

        return forward


def returning_plain_tensors(model: nn.Module) -> None:
    """Tell all layers of Brevitas to return plain tensors."""
    for module in model.modules():
        if getattr(module, "return_quant_tensor", False) is True:
            module.return_quant_tensor = False  # type: ignore[assignment]


def _plain(x: Any) -> Tensor:
    value: Tensor = x if isinstance(x, Tensor) else x.value
    return value


def _candidates(result: Any) -> list[_Quantizer]:
    """Quantizers of what a quantized tensor declares, of either range."""
    if not hasattr(result, "bit_width") or not torch.as_tensor(result.zero_point).eq(0).all():
        return []
    scale, bit_width = torch.as_tensor(result.scale).detach().clone(), int(result.bit_width)
    signed = bool(getattr(result, "signed_t", True))
    return [_Quantizer(scale, bit_width, signed, narrow) for narrow in (False, True)]
