"""Stems for coefficients of JPEG: brought to common units, chosen by frequency, normalised by frequency."""

from abc import abstractmethod
from collections.abc import Iterable

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.core import (
    Codec,
    CodeSpec,
    CodeStatistics,
    Stem,
)
from lossy_lightning.functional import mcu_layout, repeat, spread, zigzag


class CoefficientStem(Stem):
    """What stems for codes of `JPEG` have in common: they take a code apart, and know its quantization tables.

    Levels are multiplied with their tables: those that the code carries (``tables=True``), else the codec's own, which
    `adapt` takes over and checkpoints keep. Dequantized ones are coefficients already.

    Args:
        spec: Of a JPEG code, ``(C, rows, columns)``.
        chroma_subsampling: Of the code, as of `JPEG`; unused for grey.

    Raises:
        ValueError: Where such codes do not have that many channels.
    """

    steps: Tensor
    carried: Tensor

    def __init__(self, spec: CodeSpec, chroma_subsampling: str = "4:2:0") -> None:
        super().__init__()
        if len(spec.shape) != 3:
            raise ValueError(f"codes of JPEG have the shape (channels, rows, columns); got {spec.shape}")
        self.layout = mcu_layout(spec.shape[0], chroma_subsampling)
        self.chroma_subsampling = chroma_subsampling
        self.register_buffer("steps", torch.ones(self.layout.components, 64))
        self.register_buffer("carried", torch.tensor(self.layout.has_tables))

    def adapt(self, codec: Codec, statistics: CodeStatistics) -> None:
        """Take over the codec's quantization tables.

        Raises:
            MisconfigurationException: Where the codec has none, or is of another chroma subsampling.
        """
        self.steps.copy_(self._steps(codec))
        self.carried.fill_(codec.steps() is None)

    def check_codecs(self, codecs: Iterable[Codec]) -> None:
        """Check that the levels of all codecs are multiplied with the right table.

        Raises:
            MisconfigurationException: Where a codec has other tables that its codes do not carry, or another chroma
                subsampling.
        """
        for codec in codecs:
            steps = self._steps(codec).to(self.steps)
            misread = (codec.steps() is None) != bool(self.carried) or not torch.equal(steps, self.steps)
            if misread:
                raise MisconfigurationException(
                    f"{type(self).__name__} multiplies levels with the tables of one codec, but those of {codec} are "
                    "others: use dequantize=True, or tables=True, for all codecs"
                )

    def _steps(self, codec: Codec) -> Tensor:
        steps = codec.steps()
        if steps is None and not self.layout.has_tables:
            raise MisconfigurationException(
                f"{type(self).__name__} reads coefficients of a JPEG codec; got {codec}: use Scale, or another codec"
            )
        check_subsampling(self, self.chroma_subsampling, self.layout.components, codec)
        if steps is None:
            return torch.ones(self.layout.components, 64)
        return torch.stack([steps[name] for name in ("luma", "cb", "cr")[: self.layout.components]])

    def dequantize(self, code: Tensor) -> Tensor:
        """Coefficients ``(N, 64 * blocks, rows, columns)``, float, of codes ``(N, C, rows, columns)``."""
        components = list(self.layout.block_components)
        if not self.layout.has_tables:
            return code * self.steps[components].view(-1, 1, 1)
        split = 64 * len(components)
        # Tables are constant over the grid, so that a padded or shifted code has them in its first place too.
        tables = torch.unflatten(code[:, split:, 0, 0].to(self.steps.dtype), 1, (-1, 64))
        tables = torch.where(self.carried, tables, self.steps)
        return code[:, :split] * tables[:, components].reshape(len(code), -1, 1, 1)


class _Normalised(CoefficientStem):
    """Frequencies chosen and normalised, the same for all blocks of a component."""

    chosen: Tensor

    def __init__(
        self,
        spec: CodeSpec,
        chroma_subsampling: str = "4:2:0",
        luma: int = 64,
        chroma: int = 64,
        unstack: bool = False,
    ) -> None:
        super().__init__(spec, chroma_subsampling)
        if not (1 <= luma <= 64 and 1 <= chroma <= 64):
            raise ValueError(f"a block has 1 to 64 frequencies; got {luma=}, {chroma=}")
        (h, v), components = self.layout.factors, self.layout.components
        self.counts = (luma, chroma, chroma)[:components]
        self.unstack = unstack
        # All 64 stay in natural order, so that features are the code's channels.
        frequencies = [sorted(zigzag()[:count]) for count in self.counts]
        chosen = [64 * block + f for block, i in enumerate(self.layout.block_components) for f in frequencies[i]]
        self.register_buffer("chosen", torch.tensor(chosen), persistent=False)
        self.frequencies = frequencies
        rows, columns = spec.shape[1:]
        if unstack:
            grid = (None if rows is None else rows * v, None if columns is None else columns * h)
            self.shape = (sum(self.counts), *grid)
        else:
            self.shape = (len(chosen), rows, columns)

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        values = self.dequantize(code)
        if len(self.chosen) < values.shape[1]:
            values = values.index_select(1, self.chosen)
        luma, *chroma = torch.split(values, [self.layout.luma_blocks * self.counts[0], *self.counts[1:]], 1)
        # Blocks side by side, so that all of luma have one mean and one variance.
        blocks = torch.unflatten(luma, 1, (self.layout.luma_blocks, -1)).transpose(1, 2)
        luma = self.normalise(0, blocks.flatten(2)).view(blocks.shape).transpose(1, 2).flatten(1, 2)
        chroma = [self.normalise(i, c.flatten(2)).view(c.shape) for i, c in enumerate(chroma, start=1)]
        if not self.unstack:
            return torch.cat([luma, *chroma], 1)
        h, v = self.layout.factors
        return torch.cat([spread(luma, (h, v)), *(repeat(c, (h, v)) for c in chroma)], 1)

    @abstractmethod
    def normalise(self, component: int, values: Tensor) -> Tensor:
        """Normalised coefficients of a component: ``(N, frequencies, places)`` to the same."""


class FrequencyNorm(_Normalised):
    """Coefficients less their mean, over their standard deviation, by frequency and component.

    The statistics are those of the training codes, which `adapt` takes over; nothing is trained. Features keep the
    layout of the code, an MCU per grid cell: ``(N, C, rows, columns)``, tables left out.

    Args:
        spec: Of a JPEG code.
        chroma_subsampling: Of the code, as of `JPEG`.
        luma: Number of frequencies of each block of luma, the lowest ones in zigzag order.
        chroma: The same of Cb and of Cr.
        unstack: Whether features are on the grid of luma's blocks, ``(N, luma + 2 * chroma, v * rows, h * columns)``,
            with those of chroma repeated, instead.
        least_std: Least standard deviation that is divided by, in quantization steps: a frequency that is nearly
            always 0 would else be huge where it is not.

    Raises:
        ValueError: Where such codes do not have that many channels, or blocks that many frequencies.

    Source: Xu et al., Learning in the frequency domain, CVPR 2020, section 3 (normalisation, static selection).

    Example:
        >>> spec = CodeSpec.uniform((384, 14, 14), -1024, 1023, ordinal=True)
        >>> FrequencyNorm(spec).shape, FrequencyNorm(spec, luma=14, chroma=5, unstack=True).shape
        ((384, 14, 14), (24, 28, 28))
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        spec: CodeSpec,
        chroma_subsampling: str = "4:2:0",
        luma: int = 64,
        chroma: int = 64,
        unstack: bool = False,
        least_std: float = 0.1,
    ) -> None:
        super().__init__(spec, chroma_subsampling, luma, chroma, unstack)
        self.least_std = least_std
        self.register_buffer("mean", torch.zeros(self.layout.components, 64))
        self.register_buffer("std", torch.ones(self.layout.components, 64))

    def adapt(self, codec: Codec, statistics: CodeStatistics) -> None:
        """Take over tables and statistics.

        Raises:
            MisconfigurationException: As `CoefficientStem`, and where tables in the codes differ among examples.
        """
        super().adapt(codec, statistics)
        device, blocks = self.steps.device, len(self.layout.block_components)
        mean, std = (s.to(device).double().view(-1, 64) for s in statistics)
        steps = self.steps.double()
        if self.carried:
            if std[blocks:].max() > 1e-3 * mean[blocks:].max():
                raise MisconfigurationException(
                    "quantization tables differ among the training codes, so statistics of levels say nothing of "
                    "coefficients: use FrequencyBatchNorm, or a codec with dequantize=True"
                )
            steps = mean[blocks:]
        component = torch.tensor(self.layout.block_components, device=device)
        for i in range(self.layout.components):
            own, squares = mean[:blocks][component == i], (mean.square() + std.square())[:blocks][component == i]
            deviation = (squares.mean(0) - own.mean(0).square()).clamp(min=0).sqrt()
            self.mean[i] = own.mean(0) * steps[i]
            self.std[i] = deviation.clamp(min=self.least_std) * steps[i]

    def normalise(self, component: int, values: Tensor) -> Tensor:
        """Values less mean, over standard deviation."""
        chosen = self.frequencies[component]
        return (values - self.mean[component, chosen].view(-1, 1)) / self.std[component, chosen].view(-1, 1)


class FrequencyBatchNorm(_Normalised):
    """A batch norm of coefficients, by frequency and component, the same for all blocks of luma.

    Features keep the layout of the code, an MCU per grid cell: ``(N, C, rows, columns)``, tables left out. Codes of
    different quality can mix where they are dequantized, or carry their tables.

    Args:
        spec: Of a JPEG code.
        chroma_subsampling: Of the code, as of `JPEG`.
        luma: Number of frequencies of each block of luma, the lowest ones in zigzag order.
        chroma: The same of Cb and of Cr.
        unstack: Whether features are on the grid of luma's blocks, with those of chroma repeated, instead; as of
            `FrequencyNorm`.

    Raises:
        ValueError: Where such codes do not have that many channels, or blocks that many frequencies.

    Source: Gueguen et al., Faster neural networks straight from JPEG, NeurIPS 2018, section 4.

    Example:
        >>> stem = FrequencyBatchNorm(CodeSpec.uniform((384, 2, 2), -1024, 1023, ordinal=True))
        >>> stem(torch.randint(-9, 10, (8, 384, 2, 2))).std(unbiased=False).round(decimals=2)
        tensor(1., grad_fn=<RoundBackward1>)
    """

    def __init__(
        self,
        spec: CodeSpec,
        chroma_subsampling: str = "4:2:0",
        luma: int = 64,
        chroma: int = 64,
        unstack: bool = False,
    ) -> None:
        super().__init__(spec, chroma_subsampling, luma, chroma, unstack)
        self.norms = nn.ModuleList(nn.BatchNorm1d(count) for count in self.counts)

    def normalise(self, component: int, values: Tensor) -> Tensor:
        """Batch norm of the component."""
        normalised: Tensor = self.norms[component](values)
        return normalised


def check_subsampling(reader: nn.Module, chroma_subsampling: str, components: int, codec: Codec) -> None:
    """Check that a codec lays out chroma as what reads its codes expects; grey has none.

    Raises:
        MisconfigurationException: Where it does not.
    """
    theirs = getattr(codec, "chroma_subsampling", chroma_subsampling)
    if components == 3 and theirs != chroma_subsampling:
        raise MisconfigurationException(
            f"{type(reader).__name__} reads codes with chroma_subsampling={chroma_subsampling!r}; got {codec}: pass "
            "the codec's chroma_subsampling"
        )
