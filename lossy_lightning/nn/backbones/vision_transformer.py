"""A small vision transformer on codes or pixels."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import FeatureShape, InputError, valid_positions
from lossy_lightning.core.arguments import check_integer_list, check_integers
from lossy_lightning.nn.backbones._shapes import channels_of
from lossy_lightning.nn.layers._padding import mask, mean_of_valid


class VisionTransformer(nn.Module):
    """A small vision transformer: a token a patch of the grid, sine positions, mean over the tokens.

    On coefficients of 8x8 blocks, ``patch=(1, 1)`` makes a token of each block and ``(2, 2)`` one of four; on pixels,
    ``(8, 8)`` and ``(16, 16)`` make the same tokens. A token has the position of its middle, in patches of that size,
    times ``block``: so blocks that a stem keeps together in a position, or tokens of pixels, can be told apart below
    the size of a token. Padding never changes the outputs.

    Args:
        shape: Shape ``(C, H, W)`` of the features it reads, without batch; a size that varies is None.
        num_classes: Number of outputs.
        patch: Rows and columns of a token.
        dim: Features of a token, a multiple of 4 and of ``heads``.
        depth: Number of layers.
        heads: Number of attention heads.
        hidden: Times as many hidden features as ``dim`` in the layers' networks.
        block: Distance of two tokens, in units of the positions: 1, or 2 for tokens of 2x2 blocks, so that these stand
            where their blocks do.

    Raises:
        ValueError: If ``shape`` is not ``(C, H, W)``, or ``dim`` is not such a multiple.

    Source:
        Park, Johnson, RGB no more: minimally-decoded JPEG vision transformers, CVPR 2023, section 4; Beyer et al.,
        Better plain ViT baselines for ImageNet-1k, 2022 (sine positions, mean of the tokens).

    Example:
        >>> net = VisionTransformer((192, 4, 4), 10)
        >>> net(torch.randn(2, 192, 4, 4)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        patch: Sequence[int] = (1, 1),
        dim: int = 64,
        depth: int = 3,
        heads: int = 4,
        hidden: int = 4,
        block: int = 1,
    ) -> None:
        super().__init__()
        channels = channels_of(shape, 2, "VisionTransformer")
        check_integer_list(1, 2, patch=patch)
        check_integers(1, num_classes=num_classes, dim=dim, depth=depth, heads=heads)
        check_integers(1, hidden=hidden, block=block)
        if dim % 4 or dim % heads:
            raise InputError(f"dim is a multiple of 4 and of heads; got {dim=}, {heads=}")
        rows, columns = patch
        self.patch, self.block = (rows, columns), block
        self.embed_patches = nn.Conv2d(channels, dim, self.patch, self.patch)
        self.layers = nn.ModuleList(TransformerLayer(dim, heads, hidden * dim) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.classifier = nn.Linear(dim, num_classes)

    def forward(self, features: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of features ``(N, C, H, W)``, each of its ``grid_size``."""
        valid = None
        if grid_size is not None:
            features = mask(features, valid_positions(grid_size, (features.shape[2], features.shape[3])))
        beyond = [-size % step for size, step in zip(features.shape[2:], self.patch, strict=True)]
        tokens = self.embed_patches(F.pad(features, (0, beyond[1], 0, beyond[0])))
        if grid_size is not None:
            own = -(-grid_size // grid_size.new_tensor(self.patch))
            valid = valid_positions(own, (tokens.shape[2], tokens.shape[3])).flatten(1)
        tokens = (tokens + sine_positions(tokens, self.block)).flatten(2).mT
        for layer in self.layers:
            tokens = layer(tokens, valid)
        logits: Tensor = self.classifier(mean_of_valid(self.norm(tokens).mT, valid))
        return logits


class TransformerLayer(nn.Module):
    """Attention and a network of two layers, each behind a layer norm and with a shortcut."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.parts, self.joined = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.network = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, tokens: Tensor, valid: Tensor | None) -> Tensor:
        """Tokens ``(N, tokens, dim)``; those that are not valid are not attended to."""
        parts = torch.unflatten(self.parts(self.norm1(tokens)), 2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        scores = query @ key.mT * query.shape[-1] ** -0.5
        if valid is not None:
            scores = scores.masked_fill(~valid[:, None, None], -torch.inf)
        tokens = tokens + self.joined((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))
        made: Tensor = tokens + self.network(self.norm2(tokens))
        return made


def sine_positions(tokens: Tensor, block: int) -> Tensor:
    """Sines and cosines of rows and columns, ``(dim, rows, columns)``, of tokens ``(N, dim, rows, columns)``."""
    quarter = tokens.shape[1] // 4
    rates = 10_000 ** -(torch.arange(quarter, device=tokens.device) / max(quarter - 1, 1))
    places = []
    for size in tokens.shape[2:]:
        middle = (torch.arange(size, device=tokens.device) + 0.5) * block - 0.5
        angles = rates[:, None] * middle
        places.append(torch.cat([angles.sin(), angles.cos()]))
    rows, columns = places
    shape = (-1, *tokens.shape[2:])
    return torch.cat([rows[:, :, None].expand(shape), columns[:, None].expand(shape)])
