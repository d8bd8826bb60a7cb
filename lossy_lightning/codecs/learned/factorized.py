"""Latents whose channels have a learned density each."""

from torch import Tensor, nn

from lossy_lightning.codecs.learned._densities import FactorizedDensity
from lossy_lightning.codecs.learned._range_coding import RangeReader, RangeWriter, least_bits, whole_table
from lossy_lightning.codecs.learned.nonlinear import MOST, NonlinearTransform, bits_of, channel_numbers, rounded
from lossy_lightning.core import CodeSpec, Field


class Factorized(NonlinearTransform):
    """A learned codec whose entropy model has a density for each channel of latents, the same everywhere.

    The code is one field, ``latents``, of ``dim`` channels.

    Args:
        encoder: As of `NonlinearTransform`, such as a `GDNEncoder`.
        decoder: As of `NonlinearTransform`, such as a `GDNDecoder`.
        dim: Number of latents of a cell.
        channels: Of the signal.
        sample_rate: Sound: the rate in Hz that it is trained for.
        exact: Whether to compute in float64, as of `NonlinearTransform`.

    Source:
        Ballé, Laparra and Simoncelli, End-to-end optimized image compression, ICLR 2017; the density of Ballé et al.,
        ICLR 2018, appendix 6.1.

    Example:
        >>> import torch
        >>> from lossy_lightning.nn import GDNDecoder, GDNEncoder
        >>> codec = Factorized(GDNEncoder(12, hidden=[16]), GDNDecoder(12, hidden=[16]), dim=12)
        >>> codec.encode(torch.zeros(2, 3, 30, 32, dtype=torch.uint8)).shape
        torch.Size([2, 12, 8, 8])
    """

    tables: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        dim: int,
        channels: int = 3,
        sample_rate: int | None = None,
        exact: bool = True,
    ) -> None:
        super().__init__(encoder, decoder, dim, channels, sample_rate, exact)
        self.density = FactorizedDensity(dim)
        self.register_buffer("tables", whole_table(self.density.table(MOST)))

    def update_tables(self) -> None:
        """Make the tables of files anew, from what has been learned."""
        self.tables.copy_(whole_table(self.density.table(MOST)))

    def _cells(self) -> tuple[int, ...]:
        return (1,) * len(self.stride)

    def _spec(self, grid: tuple[int | None, ...]) -> CodeSpec:
        return CodeSpec([Field("latents", (-MOST,) * self.dim, (MOST,) * self.dim, ordinal=True)], grid)

    def _levels(self, latents: Tensor) -> dict[str, Tensor]:
        return {"latents": rounded(latents)}

    def _bits(self, latents: Tensor, values: Tensor) -> Tensor:
        return bits_of(self.density(values))

    def _least_bits(self) -> float:
        return float(least_bits(self.tables).sum())

    def _put(self, writer: RangeWriter, levels: dict[str, Tensor]) -> None:
        latents = levels["latents"]
        writer.write(latents, channel_numbers(tuple(latents.shape)), self.tables.cpu(), MOST)

    def _take(self, reader: RangeReader, spec: CodeSpec) -> dict[str, Tensor]:
        return {
            "latents": reader.read(
                channel_numbers((self.dim, *(size or 0 for size in spec.grid))), self.tables.cpu(), MOST
            )
        }
