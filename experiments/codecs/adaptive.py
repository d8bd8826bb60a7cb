"""Two more ways to analyse images: a transform that each image has for itself, and a transformer of patches."""

import torch
from torch import Tensor, nn

from lossy_lightning.codecs import Factorized
from lossy_lightning.codecs.learned._range_coding import RangeReader, RangeWriter, least_bits
from lossy_lightning.codecs.learned.nonlinear import MOST, bits_of, channel_numbers, rounded
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.nn import GDNDecoder, GDNEncoder
from lossy_lightning.nn.backbones.vision_transformer import TransformerLayer, sine_positions

_UNIT = 1 / 32  # of the numbers that a transform is sent as


class Mixed(nn.Module):
    """The identity and a learned sum of matrices: a 1x1 transform, other for each image.

    Args:
        dim: Features that are transformed.
        count: Numbers that tell the transform.
    """

    def __init__(self, dim: int, count: int) -> None:
        super().__init__()
        self.matrices = nn.Parameter(torch.randn(count, dim, dim) * dim**-0.5 / 4)

    def forward(self, features: Tensor, numbers: Tensor) -> Tensor:
        """Features ``(N, dim, *grid)``, transformed as whole numbers ``(N, count)`` tell."""
        mixed = torch.eye(features.shape[1]).to(features) + torch.einsum("nk,kij->nij", _UNIT * numbers, self.matrices)
        return torch.einsum("nij,njhw->nihw", mixed, features)


class AdaptiveEncoder(nn.Module):
    """A `GDNEncoder` whose latents are transformed as their own mean magnitudes tell; the telling numbers come last."""

    def __init__(self, dim: int, count: int, hidden: list[int]) -> None:
        super().__init__()
        self.latents, self.stride = GDNEncoder(dim, hidden), (2 ** (len(hidden) + 1),) * 2
        self.numbers = nn.Sequential(nn.Linear(dim, 32), nn.ReLU(), nn.Linear(32, count))
        self.mixed = Mixed(dim, count)

    def forward(self, image: Tensor) -> Tensor:
        """``(N, dim + count, *grid)``; numbers are equal at each position."""
        latents = self.latents(image)
        numbers = self.numbers(latents.abs().mean((2, 3)))
        whole = numbers + (rounded(numbers) - numbers).detach()
        constant = numbers[..., None, None].expand(-1, -1, *latents.shape[2:])
        return torch.cat([self.mixed(latents, whole), constant], 1)


class AdaptiveDecoder(nn.Module):
    """The counterpart of `AdaptiveEncoder`, whose numbers tell a transform back."""

    def __init__(self, dim: int, count: int, hidden: list[int]) -> None:
        super().__init__()
        self.count, self.mixed, self.image = count, Mixed(dim, count), GDNDecoder(dim, hidden)

    def forward(self, latents: Tensor) -> Tensor:
        """Images of latents and numbers."""
        image: Tensor = self.image(self.mixed(latents[:, : -self.count], latents[:, -self.count :, 0, 0]))
        return image


class Adaptive(Factorized):
    """A data-dependent transform: the numbers that tell it are a constant field of the code, ``transform``.

    Args:
        dim: Latents of a cell.
        count: Numbers of a transform.
        hidden: Widths of the encoder, the decoder has them backwards; None: 46, as many parameters as the hyperprior.
    """

    def __init__(self, dim: int = 24, count: int = 8, hidden: list[int] | None = None) -> None:
        hidden = [46] if hidden is None else hidden
        encoder, decoder = AdaptiveEncoder(dim, count, hidden), AdaptiveDecoder(dim, count, hidden[::-1])
        super().__init__(encoder, decoder, dim + count, exact=False)
        self.count, self.hidden = count, hidden

    def _spec(self, grid: tuple[int | None, ...]) -> CodeSpec:
        own, count = self.dim - self.count, self.count
        latents = Field("latents", (-MOST,) * own, (MOST,) * own, ordinal=True)
        return CodeSpec([latents, Field("transform", (-MOST,) * count, (MOST,) * count, True, constant=True)], grid)

    def _levels(self, latents: Tensor) -> dict[str, Tensor]:
        found = rounded(latents)
        return {"latents": found[:, : -self.count], "transform": found[:, -self.count :, :1, :1]}

    def _latents(self, levels: dict[str, Tensor]) -> Tensor:
        latents = levels["latents"]
        return torch.cat([latents, levels["transform"].expand(-1, -1, *latents.shape[2:])], 1)

    def _bits(self, latents: Tensor, values: Tensor) -> Tensor:
        told = self.density(values)
        return bits_of(told[:, : -self.count]) + bits_of(told[:, -self.count :, :1, :1])

    def _least_bits(self) -> float:
        return float(least_bits(self.tables[: -self.count]).sum())

    def _put(self, writer: RangeWriter, levels: dict[str, Tensor]) -> None:
        for name, numbers in self._channels(tuple(levels["latents"].shape[1:])).items():
            writer.write(levels[name], numbers, self.tables.cpu(), MOST)

    def _take(self, reader: RangeReader, spec: CodeSpec) -> dict[str, Tensor]:
        channels = self._channels(tuple(size or 0 for size in spec.grid))
        return {name: reader.read(numbers, self.tables.cpu(), MOST) for name, numbers in channels.items()}

    def _channels(self, grid: tuple[int, ...]) -> dict[str, Tensor]:
        """The table of each value, by field."""
        own = self.dim - self.count
        return {"latents": channel_numbers((own, *grid)), "transform": own + channel_numbers((self.count, 1, 1))}


class PatchEncoder(nn.Module):
    """Latents of patches of an image that attend to one another.

    Args:
        dim: Number of latents of a patch.
        size: Pixels of a patch along each axis.
        width: Features of a patch within.
        depth: Number of layers.
    """

    def __init__(self, dim: int = 24, size: int = 4, width: int = 36, depth: int = 2) -> None:
        super().__init__()
        self.stride = (size, size)
        self.patches = nn.Conv2d(3, width, size, size)
        self.layers = nn.ModuleList(TransformerLayer(width, 3, 2 * width) for _ in range(depth))
        self.latents = nn.Conv2d(width, dim, 1)

    def forward(self, image: Tensor) -> Tensor:
        """``(N, dim, *grid)`` of images ``(N, 3, H, W)``."""
        patches = self.patches(image)
        tokens = (patches + sine_positions(patches, 1)).flatten(2).mT
        for layer in self.layers:
            tokens = layer(tokens, None)
        latents: Tensor = self.latents(tokens.mT.unflatten(2, patches.shape[2:]))
        return latents
