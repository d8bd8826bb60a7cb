"""Named fields of real values, each through a scalar quantizer."""

from collections.abc import Iterable
from functools import cached_property

from torch import Tensor

from lossy_lightning.codecs.quantizers import Quantizer
from lossy_lightning.codecs.transform.analysis import FieldAnalysis
from lossy_lightning.core import CodeSpec, Field, InputError


class FieldQuantizers:
    """Quantizers of the fields of an analysis: one for all, whose steps are in its units, or one for each."""

    def __init__(self, analysis: FieldAnalysis, quantizer: Quantizer | dict[str, Quantizer]) -> None:
        self._analysis = analysis
        self._quantizer = quantizer

    def fit(self, values: Iterable[Tensor]) -> None:
        """Fit to batches of values."""
        if isinstance(self._quantizer, Quantizer):
            self._quantizer.fit(batch / self._scales(batch) for batch in values)
            return
        parts = [self._layout(tuple(batch.shape)).split(batch) for batch in values]
        for name, quantizer in self._quantizer.items():
            if not quantizer.fitted:
                quantizer.fit(part[name] for part in parts)

    def encode(self, values: Tensor) -> Tensor:
        """Code of values ``(..., C, *grid)``."""
        layout = self._layout(tuple(values.shape))
        if isinstance(self._quantizer, Quantizer):
            code = self._quantizer.encode(values / self._scales(values) if self._units else values)
        else:
            parts = layout.split(values)
            code = layout.join({name: self._one(name).encode(part) for name, part in parts.items()})
        return code.to(self.spec(layout).dtype)

    def decode(self, code: Tensor) -> Tensor:
        """Values of a code."""
        layout = self._layout(tuple(code.shape))
        layout.check_channels(code)
        if isinstance(self._quantizer, Quantizer):
            values = self._quantizer.decode(code)
            return values * self._scales(values) if self._units else values
        return layout.join({name: self._one(name).decode(part) for name, part in layout.split(code).items()})

    def spec(self, layout: CodeSpec) -> CodeSpec:
        """The layout of values with the levels that they reach."""
        fields = []
        for field in layout.fields:
            one, unit = self._one(field.name), self._units.get(field.name, 1.0)
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
                found[field.name] = steps * self._units.get(field.name, 1.0)
        return found or None

    @cached_property
    def _units(self) -> dict[str, float]:
        one = isinstance(self._quantizer, Quantizer)
        return {name: unit for name, unit in self._analysis.units().items() if one and unit != 1}

    def _one(self, name: str) -> Quantizer:
        if isinstance(self._quantizer, Quantizer):
            return self._quantizer
        if name not in self._quantizer:
            raise InputError(f"TransformCodec needs a quantizer of field {name!r}; it has {list(self._quantizer)}")
        return self._quantizer[name]

    def _layout(self, shape: tuple[int, ...]) -> CodeSpec:
        """Fields of values ``(..., C, *grid)``."""
        return self._analysis.layout(self._analysis.whole(shape[-self._analysis.signal_axes :]))

    def _scales(self, values: Tensor) -> Tensor:
        """The unit of each channel, of values ``(..., C, *grid)``."""
        layout = self._layout(tuple(values.shape))
        units = [self._units.get(field.name, 1.0) for field in layout.fields for _ in range(field.num_channels)]
        return values.new_tensor(units).view(-1, *[1] * len(layout.grid))
