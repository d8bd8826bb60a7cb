"""What stems for coefficients of 8x8 blocks share."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, Field, InputError, Stem
from lossy_lightning.core.arguments import check_names
from lossy_lightning.core.stem import check_spec
from lossy_lightning.nn._errors import misconfiguration


class CoefficientStem(Stem):
    """A stem for fields of 8x8 blocks of coefficients, which knows their quantization steps.

    Levels are multiplied with their steps: those that the code carries in a field of their own (``steps_from``), else
    the codec's, which `adapt` takes over and checkpoints keep. Steps of 1, as of dequantized codes, change nothing.

    Args:
        spec: Of the code, ``(C, rows, columns)``.
        fields: Names of fields of 64 channels a cell, in natural order; None: all that are not constant. The first,
            such as luma, may have cells; the others, such as chroma, have none.

    Raises:
        ValueError: If a field is not of such blocks.
    """

    steps: Tensor

    def __init__(self, spec: CodeSpec, fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, block_fields(spec, type(self).__name__, fields))
        self.blocks = self.spec.fields
        self.carriers = [spec.field(field.name).steps_from for field in self.blocks]
        self.register_buffer("steps", torch.ones(len(self.blocks), 64))

    @property
    def factors(self) -> tuple[int, int]:
        """How many blocks of the first field lie in a position of the grid: ``(across, down)``."""
        down, across = self.blocks[0].cells or (1, 1)
        return across, down

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over the codecs' steps of fields whose steps the code does not carry.

        Raises:
            MisconfigurationException: If a codec tells none, or they differ.
        """
        for own, field, carrier in zip(self.steps, self.blocks, self.carriers, strict=True):
            if carrier is None:
                own.copy_(self._one_step(codecs, field.name))

    def _one_step(self, codecs: Sequence[Codec], name: str) -> Tensor:
        """The steps of a field, which all codecs have in common."""
        steps = [(codec.steps() or {}).get(name) for codec in codecs]
        for codec, each in zip(codecs, steps, strict=True):
            if each is None or steps[0] is None:
                raise misconfiguration(
                    f"{type(self).__name__} multiplies the levels of field {name!r} with the codec's quantization "
                    f"steps, but {codec} tells none: use Scale, or another codec"
                )
            if not torch.equal(each, steps[0]):
                raise misconfiguration(
                    f"{type(self).__name__} multiplies the levels of field {name!r} with the quantization steps of one "
                    f"codec, but those of {codecs[0]} and {codec} differ: use codecs whose codes are dequantized or "
                    "carry their steps, such as JPEG(dequantize=True) or JPEG(tables=True), for all"
                )
        assert steps[0] is not None
        return steps[0]

    def coefficients(self, code: Tensor) -> list[Tensor]:
        """Coefficients of each field, float, 0 if absent: ``(N, cells * 64, rows, columns)``."""
        parts = [self.code_spec.narrow(code, field.name) for field in self.blocks]
        found = []
        for part, field, steps, carrier in zip(parts, self.blocks, self.steps, self.carriers, strict=True):
            if field.absent is not None:
                part = torch.where(part != field.absent, part, 0)
            if carrier is None:
                found.append(part * steps.repeat(field.num_cells).view(-1, 1, 1))
            else:
                # Steps are constant over the grid, so that a padded or shifted code has them in its first place too.
                carried = self.code_spec.narrow(code, carrier)[..., :1, :1].to(steps.dtype)
                found.append(part * carried.repeat(1, field.num_cells, 1, 1))
        return found


def block_fields(spec: CodeSpec, stem: str, fields: Sequence[str] | None) -> list[str]:
    """Names of the fields of 8x8 blocks that a stem reads.

    Raises:
        ValueError: If one is not of such blocks.
    """
    check_spec(stem, spec)
    if fields is not None:
        check_names("fields", fields)
    chosen = [spec.field(name) for name in fields] if fields is not None else [f for f in spec.fields if not f.constant]
    for index, field in enumerate(chosen):
        if len(field.low) != 64 or not field.ordinal or field.constant or (index and field.cells):
            raise InputError(
                f"{stem} reads fields of 8x8 blocks, 64 ordinal channels a cell, of which only the first has several "
                f"cells; got {_text(field)}: name the fields to read by fields, or use another stem"
            )
    if len(spec.grid) != 2 or not chosen:
        raise InputError(f"{stem} reads blocks on a grid (rows, columns); got codes of shape {spec.shape}")
    return [field.name for field in chosen]


def _text(field: Field) -> str:
    kind = "constant" if field.constant else "ordinal" if field.ordinal else "categorical"
    return f"field {field.name!r} of {len(field.low)} {kind} channels, cells {field.cells or (1, 1)}"
