"""Codes made of blocks of coefficients, as augmentations see them."""

from collections.abc import Callable, Sequence

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lossy_lightning.augmentation._adapted import Adapted
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, Field
from lossy_lightning.functional import flip_blocks

_COEFFICIENTS = 64


class BlockAugmentation(Adapted):
    """What augmentations of codes ``(N, C, rows, columns)`` of 8 x 8 blocks have in common.

    They take the codes of JPEG, and of any codec whose fields are like its own: 64 ordinal channels in natural order,
    ``8 * v + u``, with one or more blocks (cells) a position of the grid, and constant fields, such as tables.
    """

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over the fields and their ranges.

        Raises:
            MisconfigurationException: If a field is not made of blocks.
        """
        for field in spec.fields:
            blocks = len(spec.grid) == 2 and len(field.low) == _COEFFICIENTS and field.ordinal
            if not blocks and not field.constant:
                kind = "numbers" if field.ordinal else "categories"
                raise MisconfigurationException(
                    f"{type(self).__name__} augments codes whose fields are blocks of 64 coefficients on a grid of "
                    f"rows and columns, such as those of JPEG; the field {field.name!r} of {list(codecs)} has "
                    f"{len(field.low)} channels of {kind} on a grid of {len(spec.grid)} axes: leave the augmentation "
                    "out"
                )
        super().adapt(codecs, spec, statistics)

    @property
    def levels(self) -> list[Field]:
        """Fields of blocks that vary over the grid; the others are tables."""
        return [field for field in self.spec.fields if not field.constant]

    def by_cells(
        self, code: Tensor, arrange: Callable[[Tensor], Tensor], change: Callable[[Field, Tensor], Tensor]
    ) -> Tensor:
        """The code whose fields are each changed as if on a grid of their own.

        Cell by cell it is several times as fast as on grids of their own, and codes stay in the order of their memory.

        Args:
            code: ``(N, C, rows, columns)``.
            arrange: Moves the cells of one position, ``(rows, columns)``.
            change: Moves and changes one cell of a field at all positions, ``(N, channels, rows, columns)``.
        """
        changed = torch.empty_like(code)
        for field in self.spec.fields:
            narrowed = (self.spec.narrow(each, field.name) for each in (code, changed))
            source, target = (torch.unflatten(each, 1, (field.num_cells, -1)) for each in narrowed)
            cells = arrange(torch.arange(field.num_cells).view(field.cells or (1, 1)))
            for place, cell in enumerate(cells.flatten().tolist()):
                target[:, place] = change(field, source[:, cell])
        return changed

    def flipped(self, code: Tensor, axis: int) -> Tensor:
        """Codes of the flipped images, -1 from left to right, -2 upside down; constant fields stay."""
        return self.by_cells(
            code,
            lambda cells: cells.flip(axis),
            lambda field, blocks: blocks if field.constant else flip_blocks(blocks, axis),
        )

    def saturated(self, code: Tensor) -> Tensor:
        """Codes whose levels beyond their field's range are its ends; overwritten."""
        for field in self.levels:
            saturate(field, self.spec.narrow(code, field.name))
        return code


def saturate(field: Field, levels: Tensor) -> Tensor:
    """Levels ``(N, channels, rows, columns)`` whose values beyond the field's range are its ends; overwritten."""
    if len({*field.low}) == len({*field.high}) == 1:
        return levels.clamp_(field.low[0], field.high[0])
    cells = levels.shape[1] // len(field.low)
    low, high = (
        torch.tensor(bound, dtype=levels.dtype, device=levels.device).repeat(cells).view(-1, 1, 1)
        for bound in (field.low, field.high)
    )
    return levels.clamp_(low, high)


class StepsAugmentation(BlockAugmentation):
    """A `BlockAugmentation` that must know the quantization steps of some fields."""

    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.empty(0), persistent=False)

    def stepped(self, spec: CodeSpec) -> list[Field]:
        """Fields whose steps are needed."""
        return [field for field in spec.fields if not field.constant]

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over the fields, their ranges and their quantization steps.

        Raises:
            MisconfigurationException: If a field is not made of blocks, or has no steps that hold for all examples.
        """
        super().adapt(codecs, spec, statistics)
        own = [field.name for field in self.stepped(spec) if field.steps_from is None]
        found = [_steps(type(self).__name__, codec, own) for codec in codecs]
        for codec, steps in zip(codecs, found, strict=True):
            differing = [name for name, a, b in zip(own, steps, found[0], strict=True) if not torch.equal(a, b)]
            if differing:
                raise MisconfigurationException(
                    f"{type(self).__name__} needs levels of one unit, but the fields {differing} have other "
                    f"quantization steps in {codec} than in {codecs[0]}: set dequantize=True, or let the codes carry "
                    "their tables"
                )
        self._rows = {name: row for row, name in enumerate(own)}
        if own:
            self.steps = found[0].to(self.steps.device)

    def steps_of(self, field: Field, code: Tensor) -> Tensor:
        """Quantization steps of a field in each code, ``(N or 1, 64)`` float32."""
        if field.steps_from is not None:
            return self.spec.narrow(code, field.steps_from)[:, :, 0, 0].float()
        return self.own_steps(field).unsqueeze(0)

    def own_steps(self, field: Field) -> Tensor:
        """Quantization steps ``(64,)`` of a field that are the codecs', not carried by codes."""
        return self.steps[self._rows[field.name]]


def _steps(augmentation: str, codec: Codec, names: Sequence[str]) -> Tensor:
    """A codec's steps of some fields, ``(fields, 64)``."""
    steps = codec.steps() or {}
    missing = [name for name in names if name not in steps]
    if missing:
        raise MisconfigurationException(
            f"{augmentation} needs the quantization steps of the fields {missing}, which {codec} does not tell: its "
            "steps() must give them, or the field name another that carries them"
        )
    return torch.stack([steps[name] for name in names]) if names else torch.empty(0)
