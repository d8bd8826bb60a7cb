"""Named fields of real values, each through a scalar quantizer."""

from collections.abc import Callable, Iterable
from math import prod

import torch
from torch import Tensor

from lossy_lightning.codecs.quantizers import Quantizer
from lossy_lightning.codecs.transform.analysis import FieldAnalysis
from lossy_lightning.core import CodeSpec, Field, InputError

_AT_ONCE = 2**20  # values; temporaries of more are given back to the system and cleared anew, which takes as long


class FieldQuantizers:
    """Quantizers of the fields of an analysis: one for all, whose steps are in its units, or one for each."""

    def __init__(self, analysis: FieldAnalysis, quantizer: Quantizer | dict[str, Quantizer]) -> None:
        self._analysis = analysis
        self._quantizer = quantizer

    def fit(self, signals: Iterable[Tensor]) -> None:
        """Fit to batches of signals."""
        values = [{name: part / self._unit(name) for name, part in self._analysis.fields(x).items()} for x in signals]
        if isinstance(self._quantizer, Quantizer):
            self._quantizer.fit(part for fields in values for part in fields.values())
            return
        for name, quantizer in self._quantizer.items():
            if not quantizer.fitted:
                quantizer.fit(fields[name] for fields in values)

    def encode(self, signal: Tensor) -> Tensor:
        """Code of a signal."""
        axes = self._analysis.signal_axes
        own = tuple(signal.shape[-axes:])
        spec = self.spec(self._analysis.layout(own))
        dtype = spec.dtype

        def encode(part: Tensor) -> Tensor:
            levels = {}
            for name, values in self._analysis.fields(part).items():
                unit = self._unit(name)
                levels[name] = self._one(name).encode(values if unit == 1 else values / unit).to(dtype)
            return spec.join(levels)

        return _in_parts(encode, signal, own)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None) -> Tensor:
        """Signal of a code."""
        axes = self._analysis.signal_axes
        shape = self._analysis.whole(tuple(code.shape[-axes:])) if shape is None else shape
        own = tuple(shape[-axes:])
        spec = self.spec(self._analysis.layout(own))
        spec.check_layout(code)

        def decode(part: Tensor) -> Tensor:
            levels = spec.split(part).items()
            values = {name: self._one(name).decode(level) * self._unit(name) for name, level in levels}
            return self._analysis.signal(values, own)

        return _in_parts(decode, code, own)

    def spec(self, layout: CodeSpec) -> CodeSpec:
        """The layout of values with the levels that they reach."""
        fields = []
        for field in layout.fields:
            one, unit = self._one(field.name), self._unit(field.name)
            bounds = [max(-low, high) / unit for low, high in zip(field.low, field.high, strict=True)]
            low, high = zip(*one.level_ranges(bounds), strict=True)
            fields.append(Field(field.name, low, high, True, field.cells))
        return CodeSpec(fields, layout.grid)

    def steps(self) -> dict[str, Tensor] | None:
        """Step of each field, one a channel; None if none is known."""
        if self._analysis.richest is None:
            return None
        found = {}
        layout = self._analysis.layout(self._analysis.richest)
        for field in layout.fields:
            steps = self._one(field.name).step_sizes(len(field.low))
            if steps is not None:
                found[field.name] = steps * self._unit(field.name)
        return found or None

    def _unit(self, name: str) -> float:
        return self._analysis.units().get(name, 1.0) if isinstance(self._quantizer, Quantizer) else 1.0

    def _one(self, name: str) -> Quantizer:
        if isinstance(self._quantizer, Quantizer):
            return self._quantizer
        if name not in self._quantizer:
            raise InputError(f"TransformCodec needs a quantizer of field {name!r}; it has {list(self._quantizer)}")
        return self._quantizer[name]


def _in_parts(function: Callable[[Tensor], Tensor], given: Tensor, own: tuple[int, ...]) -> Tensor:
    """What a function makes of signals, or of codes with as many axes, a few examples at once.

    Args:
        function: Of a batch ``(N, ...)``.
        given: Of any batch.
        own: Shape of one signal.
    """
    batch, example = given.shape[: given.ndim - len(own)], given.shape[given.ndim - len(own) :]
    count = max(1, _AT_ONCE // max(1, prod(own)))
    if given.device.type != "cpu" or prod(batch) <= count:
        return function(given)
    made = torch.cat([function(part) for part in torch.split(given.reshape(-1, *example), count)])
    return torch.unflatten(made, 0, batch)
