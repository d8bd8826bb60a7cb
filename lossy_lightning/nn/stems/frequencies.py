"""Stems that normalise coefficients by frequency."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lossy_lightning.core import ByField, Codec, CodeSpec, CodeStatistics, FeatureShape, InputError, valid_positions
from lossy_lightning.core.arguments import check_integers, check_numbers
from lossy_lightning.functional import repeat, spread, zigzag
from lossy_lightning.nn._errors import misconfiguration
from lossy_lightning.nn.layers._padding import norm_of_valid
from lossy_lightning.nn.stems._coefficients import CoefficientStem


class _Normalised(CoefficientStem):
    """Frequencies chosen and normalised, the same for all blocks of a field."""

    def __init__(
        self,
        spec: CodeSpec,
        luma: int = 64,
        chroma: int = 64,
        unstack: bool = False,
        by_field: bool = False,
        fields: Sequence[str] | None = None,
    ) -> None:
        super().__init__(spec, fields)
        check_integers(1, luma=luma, chroma=chroma)
        if max(luma, chroma) > 64:
            raise InputError(f"a block has 1 to 64 frequencies; got {luma=}, {chroma=}")
        if unstack and by_field:
            raise InputError("features are on luma's grid (unstack=True), or each field's on its own (by_field=True)")
        self.counts = (luma, *[chroma] * (len(self.blocks) - 1))
        self.unstack, self.by_field = unstack, by_field
        # All 64 stay in natural order, so that features are the code's channels.
        self.frequencies = [sorted(zigzag()[:count]) for count in self.counts]
        for index, (field, own) in enumerate(zip(self.blocks, self.frequencies, strict=True)):
            chosen = [64 * cell + frequency for cell in range(field.num_cells) for frequency in own]
            self.register_buffer(f"chosen_{index}", torch.tensor(chosen), persistent=False)
        self.shape = self._shape()

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> ByField | tuple[ByField, ByField]:
        """Features of a code, and their own sizes if it is padded; by field if that was asked for."""
        valid = None
        if grid_size is not None and self.training:
            valid = valid_positions(grid_size, (code.shape[2], code.shape[3])).unsqueeze(1)
        parts = [self._normalised(index, part, valid) for index, part in enumerate(self.coefficients(code))]
        for index, field in enumerate(self.blocks):
            if field.absent is not None:
                present = self.code_spec.narrow(code, field.name) != field.absent
                parts[index] = parts[index] * self._chosen(index, present)
        features = self._laid_out(parts)
        return features if grid_size is None else (features, self._sizes(grid_size))

    @abstractmethod
    def normalise(self, index: int, values: Tensor, valid: Tensor | None) -> Tensor:
        """Normalised coefficients of a field, ``(N, frequencies, places)``; ``valid`` places ``(N, places)`` count."""

    def _chosen(self, index: int, part: Tensor) -> Tensor:
        """The chosen frequencies of all cells of a field."""
        return part if self.counts[index] == 64 else part.index_select(1, self.get_buffer(f"chosen_{index}"))

    def _normalised(self, index: int, part: Tensor, valid: Tensor | None) -> Tensor:
        """Coefficients ``(N, cells * 64, rows, columns)``, chosen and normalised."""
        values = self._chosen(index, part)
        # Blocks side by side, so that all of a field have one mean and one variance.
        blocks = torch.unflatten(values, 1, (self.blocks[index].num_cells, -1)).transpose(1, 2)
        if valid is not None:
            valid = valid.expand(-1, blocks.shape[2], -1, -1).flatten(1)
        return self.normalise(index, blocks.flatten(2), valid).view(blocks.shape).transpose(1, 2).flatten(1, 2)

    def _laid_out(self, parts: list[Tensor]) -> ByField:
        luma, *others = parts
        if self.by_field:
            fine = [spread(luma, self.factors), *others]
            return {field.name: part for field, part in zip(self.blocks, fine, strict=True)}
        if self.unstack:
            return torch.cat([spread(luma, self.factors), *(repeat(part, self.factors) for part in others)], 1)
        return torch.cat(parts, 1)

    def _shape(self) -> FeatureShape:
        across, down = self.factors
        rows, columns = self.spec.grid
        fine = None if rows is None else rows * down, None if columns is None else columns * across
        if self.by_field:
            grids = [fine, *[(rows, columns)] * (len(self.blocks) - 1)]
            return {
                field.name: (count, *grid) for field, count, grid in zip(self.blocks, self.counts, grids, strict=True)
            }
        if self.unstack:
            return sum(self.counts), *fine
        cells = (field.num_cells for field in self.blocks)
        return sum(n * count for n, count in zip(cells, self.counts, strict=True)), rows, columns

    def _sizes(self, grid_size: Tensor) -> ByField:
        if self.by_field:
            return {field.name: self.spec.field_grid(field.name, grid_size) for field in self.blocks}
        return self.spec.field_grid(self.blocks[0].name, grid_size) if self.unstack else grid_size


class FrequencyNorm(_Normalised):
    """Coefficients less their mean, over their standard deviation, by frequency and field.

    The statistics are those of the training codes, which `adapt` takes over; nothing is trained. Features keep the
    layout of the code, ``(N, C, rows, columns)``, steps that it carries left out.

    Args:
        spec: Of a code of 8x8 blocks, such as that of `JPEG`.
        luma: Number of frequencies of each block of the first field, the lowest ones in zigzag order.
        chroma: The same of the other fields.
        unstack: Whether features are on the grid of luma's blocks, ``(N, luma + 2 * chroma, v * rows, h * columns)``,
            with those of chroma repeated, instead.
        by_field: Whether features of fields stay apart, each on its own grid, for `LateConcat` and `UpSampling`.
        min_std: Least standard deviation that is divided by, in quantization steps, so that a frequency that is nearly
            always 0 does not become huge if it is not.
        fields: Names of the fields to read; None: all that are not constant.

    Raises:
        ValueError: If a field is not of 8x8 blocks, blocks have not that many frequencies, or both layouts are asked
            for.

    Source: Xu et al., Learning in the frequency domain, CVPR 2020, section 3 (normalisation, static selection).

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> spec = JPEG().spec((3, 224, 224))
        >>> FrequencyNorm(spec).shape, FrequencyNorm(spec, luma=14, chroma=5, unstack=True).shape
        ((384, 14, 14), (24, 28, 28))
        >>> FrequencyNorm(spec, by_field=True).shape
        {'luma': (64, 28, 28), 'cb': (64, 14, 14), 'cr': (64, 14, 14)}
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        spec: CodeSpec,
        luma: int = 64,
        chroma: int = 64,
        unstack: bool = False,
        by_field: bool = False,
        min_std: float = 0.1,
        fields: Sequence[str] | None = None,
    ) -> None:
        super().__init__(spec, luma, chroma, unstack, by_field, fields)
        check_numbers(0, min_std=min_std)
        self.min_std = min_std
        self.register_buffer("mean", torch.zeros(len(self.blocks), 64))
        self.register_buffer("std", torch.ones(len(self.blocks), 64))

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over steps and statistics.

        Raises:
            MisconfigurationException: As `CoefficientStem`, and if steps in the codes differ among examples.
        """
        super().adapt(codecs, spec, statistics)
        for i, (field, carrier) in enumerate(zip(self.blocks, self.carriers, strict=True)):
            steps = self.steps[i].double() if carrier is None else self._carried(spec, carrier, statistics)
            mean, std = self._of(spec, field.name, statistics)
            deviation = ((mean.square() + std.square()).mean(0) - mean.mean(0).square()).clamp(min=0).sqrt()
            self.mean[i] = mean.mean(0) * steps
            self.std[i] = deviation.clamp(min=self.min_std) * steps

    def _of(self, spec: CodeSpec, name: str, statistics: CodeStatistics) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the levels of a field's cells, ``(cells, 64)`` each."""
        mean, std = (values[spec.channels(name)].to(self.steps.device).double().view(-1, 64) for values in statistics)
        return mean, std

    def _carried(self, spec: CodeSpec, name: str, statistics: CodeStatistics) -> Tensor:
        """The steps that all training codes carry."""
        mean, std = self._of(spec, name, statistics)
        if std.max() > 1e-3 * mean.max():
            raise misconfiguration(
                f"quantization tables differ among the training codes, in field {name!r}, so statistics of levels say "
                "nothing of coefficients: use FrequencyBatchNorm, or a codec with dequantize=True"
            )
        return mean[0]

    def normalise(self, index: int, values: Tensor, valid: Tensor | None) -> Tensor:
        """Values less mean, over standard deviation."""
        chosen = self.frequencies[index]
        return (values - self.mean[index, chosen].view(-1, 1)) / self.std[index, chosen].view(-1, 1)


class FrequencyBatchNorm(_Normalised):
    """A batch norm of coefficients, by frequency and field, the same for all blocks of a field.

    Features keep the layout of the code, ``(N, C, rows, columns)``, steps that it carries left out. Codes of different
    quality can mix if they are dequantized, or carry their steps.

    Args:
        spec: Of a code of 8x8 blocks, such as that of `JPEG`.
        luma: Number of frequencies of each block of the first field, the lowest ones in zigzag order.
        chroma: The same of the other fields.
        unstack: Whether features are on the grid of luma's blocks, with those of chroma repeated, instead; as of
            `FrequencyNorm`.
        by_field: Whether features of fields stay apart, each on its own grid, for `LateConcat` and `UpSampling`.
        fields: Names of the fields to read; None: all that are not constant.

    Raises:
        ValueError: If a field is not of 8x8 blocks, blocks have not that many frequencies, or both layouts are asked
            for.

    Source: Gueguen et al., Faster neural networks straight from JPEG, NeurIPS 2018, section 4.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> stem = FrequencyBatchNorm(JPEG().spec((3, 32, 32)))
        >>> stem(torch.randint(-9, 10, (8, 384, 2, 2))).std(unbiased=False).round(decimals=2)
        tensor(1., grad_fn=<RoundBackward1>)
    """

    def __init__(
        self,
        spec: CodeSpec,
        luma: int = 64,
        chroma: int = 64,
        unstack: bool = False,
        by_field: bool = False,
        fields: Sequence[str] | None = None,
    ) -> None:
        super().__init__(spec, luma, chroma, unstack, by_field, fields)
        self.norms = nn.ModuleList(nn.BatchNorm1d(count) for count in self.counts)

    def normalise(self, index: int, values: Tensor, valid: Tensor | None) -> Tensor:
        """Batch norm of the field."""
        return norm_of_valid(self.norms[index], values, valid)
