"""Named fields of real values, each through a scalar quantizer."""

from collections.abc import Iterable

from torch import Tensor

from lossy_lightning.codecs.quantizers import Quantizer
from lossy_lightning.codecs.transform.analysis import FieldAnalysis
from lossy_lightning.core import CodeSpec, Field, InputError


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
        layout = self._analysis.layout(tuple(signal.shape[-self._analysis.signal_axes :]))
        spec, levels = self.spec(layout), {}
        for name, part in self._analysis.fields(signal).items():
            unit = self._unit(name)
            levels[name] = self._one(name).encode(part if unit == 1 else part / unit).to(spec.dtype)
        return spec.join(levels)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None) -> Tensor:
        """Signal of a code."""
        axes = self._analysis.signal_axes
        shape = self._analysis.whole(tuple(code.shape[-axes:])) if shape is None else shape
        spec = self.spec(self._analysis.layout(tuple(shape[-axes:])))
        spec.check_layout(code)
        values = {name: self._one(name).decode(part) * self._unit(name) for name, part in spec.split(code).items()}
        return self._analysis.signal(values, shape)

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
