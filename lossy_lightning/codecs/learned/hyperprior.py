"""Latents whose scale is sent along."""

from math import prod

import torch
from torch import Tensor, nn

from lossy_lightning.codecs.learned._densities import (
    SCALES,
    FactorizedDensity,
    normal_steps,
    normal_table,
    scale_of,
)
from lossy_lightning.codecs.learned._integer_network import IntegerNetwork
from lossy_lightning.codecs.learned._range_coding import RangeReader, RangeWriter, least_bits, whole_table
from lossy_lightning.codecs.learned.nonlinear import MOST, NonlinearTransform, bits_of, channel_numbers, rounded
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.core.arguments import check_integers

_HALVINGS = 2


class Hyperprior(NonlinearTransform):
    """A learned codec that sends the spread of its latents along, in fewer latents of a second, smaller network.

    The code has two fields: ``hyper_latents``, and ``latents`` with 4 cells of them along each axis. Files are coded
    with the spread that a network of whole numbers makes of the hyper-latents, so that every machine gets the same.

    Args:
        encoder: As of `NonlinearTransform`, such as a `GDNEncoder`.
        decoder: As of `NonlinearTransform`, such as a `GDNDecoder`.
        dim: Number of latents of a cell.
        hyper_dim: Number of hyper-latents of 4 by 4 cells.
        channels: Of the signal.
        sample_rate: Sound: the rate in Hz that it is trained for.
        exact: Whether to compute in float64, as of `NonlinearTransform`.

    Raises:
        ValueError: If the encoder tells no stride, or an argument is of another kind.

    Source:
        Ballé et al., Variational image compression with a scale hyperprior, ICLR 2018; Ballé, Johnston and Minnen,
        Integer networks for data compression with latent-variable models, ICLR 2019.

    Example:
        >>> from lossy_lightning.nn import GDNDecoder, GDNEncoder
        >>> codec = Hyperprior(GDNEncoder(12, hidden=[16]), GDNDecoder(12, hidden=[16]), dim=12, hyper_dim=8)
        >>> codec.spec((3, 32, 32)).shape, [field.name for field in codec.spec((3, 32, 32)).fields]
        ((200, 2, 2), ['latents', 'hyper_latents'])
    """

    latent_tables: Tensor
    hyper_tables: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        dim: int,
        hyper_dim: int = 32,
        channels: int = 3,
        sample_rate: int | None = None,
        exact: bool = True,
    ) -> None:
        super().__init__(encoder, decoder, dim, channels, sample_rate, exact)
        check_integers(1, hyper_dim=hyper_dim)
        self.hyper_dim = hyper_dim
        axes = len(self.stride)
        self.hyper_encoder = _hyper_encoder(dim, hyper_dim, axes)
        self.hyper_decoder = IntegerNetwork(hyper_dim, [hyper_dim] * (_HALVINGS - 1), dim, len(SCALES) - 1, axes)
        self.density = FactorizedDensity(hyper_dim)
        self.register_buffer("latent_tables", whole_table(normal_table(MOST)))
        self.register_buffer("hyper_tables", whole_table(self.density.table(MOST)))

    def update_tables(self) -> None:
        """Make the tables of hyper-latents anew, from what has been learned; those of latents are fixed."""
        self.hyper_tables.copy_(whole_table(self.density.table(MOST)))

    def _cells(self) -> tuple[int, ...]:
        return (2**_HALVINGS,) * len(self.stride)

    def _spec(self, grid: tuple[int | None, ...]) -> CodeSpec:
        latents = Field("latents", (-MOST,) * self.dim, (MOST,) * self.dim, ordinal=True, cells=self._cells())
        hyper_latents = Field("hyper_latents", (-MOST,) * self.hyper_dim, (MOST,) * self.hyper_dim, ordinal=True)
        return CodeSpec([latents, hyper_latents], grid)

    def _levels(self, latents: Tensor) -> dict[str, Tensor]:
        return {
            "latents": rounded(latents),
            "hyper_latents": rounded(self._run(self.hyper_encoder, latents.abs())),
        }

    def _bits(self, latents: Tensor, values: Tensor) -> Tensor:
        hyper_latents = self.hyper_encoder(latents.abs())
        whole = hyper_latents + (rounded(hyper_latents) - hyper_latents).detach()
        scale = scale_of(self.hyper_decoder(whole)).to(values.dtype)
        return bits_of(normal_steps(values, scale)) + bits_of(self.density(self._noisy(hyper_latents)))

    def _least_bits(self) -> float:
        latents = prod(self._cells()) * self.dim
        return float(least_bits(self.hyper_tables).sum() + latents * least_bits(self.latent_tables).min())

    def _put(self, writer: RangeWriter, levels: dict[str, Tensor]) -> None:
        hyper_latents = levels["hyper_latents"]
        writer.write(hyper_latents, channel_numbers(tuple(hyper_latents.shape)), self.hyper_tables.cpu(), MOST)
        writer.write(levels["latents"], self._scales(hyper_latents), self.latent_tables.cpu(), MOST)

    def _take(self, reader: RangeReader, spec: CodeSpec) -> dict[str, Tensor]:
        grid = tuple(size or 0 for size in spec.grid)
        hyper_latents = reader.read(channel_numbers((self.hyper_dim, *grid)), self.hyper_tables.cpu(), MOST)
        latents = reader.read(self._scales(hyper_latents), self.latent_tables.cpu(), MOST)
        return {"latents": latents, "hyper_latents": hyper_latents}

    def _scales(self, hyper_latents: Tensor) -> Tensor:
        """The table of each latent ``(dim, *grid)``, of hyper-latents without batch."""
        device = next(self.hyper_decoder.parameters()).device
        scales: Tensor = self.hyper_decoder(hyper_latents[None].to(device))[0]
        return scales.to(torch.int64).cpu()


def _hyper_encoder(dim: int, hyper_dim: int, axes: int) -> nn.Sequential:
    convolution = (nn.Conv1d, nn.Conv2d)[axes - 1]
    layers: list[nn.Module] = [convolution(dim, hyper_dim, 3, 1, 1)]
    for _ in range(_HALVINGS):
        layers += [nn.ReLU(), convolution(hyper_dim, hyper_dim, 5, 2, 2)]
    return nn.Sequential(*layers)
