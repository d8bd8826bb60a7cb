"""Several codecs for one data set, whatever its classes."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.core import Codec, CodeSpec


class Mixture(Codec):
    """Each signal through one of several codecs, which its own samples draw: the same signal always goes through one.

    Args:
        codecs: Whose codes are of one shape and in common units, so that the first decodes those of all.
        shares: How many signals go through each, as a share of all.
        seed: Of the draw.
    """

    def __init__(self, codecs: list[Codec], shares: list[float], seed: int = 0) -> None:
        self.codecs = codecs
        self.shares = shares
        self.seed = seed
        self.idempotent = False

    def encode(self, signal: Tensor) -> Tensor:
        """Codes of images ``(..., C, H, W)``, each by its codec."""
        images = signal.reshape(-1, *signal.shape[-3:])
        chosen = self.chosen(images)
        code: Tensor | None = None
        for number, codec in enumerate(self.codecs):
            if bool((chosen == number).any()):
                found = codec.encode(images[chosen == number])
                code = found.new_empty(len(images), *found.shape[1:]) if code is None else code
                code[chosen == number] = found
        assert code is not None
        return code.view(*signal.shape[:-3], *code.shape[1:])

    def chosen(self, images: Tensor) -> Tensor:
        """The number of the codec of each image ``(N, C, H, W)``."""
        key = str(self.seed).encode()
        digests = (hashlib.blake2b(image.contiguous().numpy(), digest_size=6, key=key) for image in images)
        drawn = torch.tensor([int.from_bytes(each.digest()) / 2**48 for each in digests], dtype=torch.float64)
        ends = torch.tensor(self.shares, dtype=torch.float64).cumsum(0)
        return torch.bucketize(drawn, ends[:-1], right=True)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """What the first codec makes of it."""
        return self.codecs[0].decode(code, shape)

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """The union over all codecs."""
        return CodeSpec.union(*(codec.spec(shape) for codec in self.codecs))

    def steps(self) -> dict[str, Tensor] | None:
        """Those that all codecs have in common."""
        every: Sequence[dict[str, Tensor] | None] = [codec.steps() for codec in self.codecs]
        first = every[0]
        if first is None or any(each is None for each in every):
            return None
        return first if all(torch.equal(each[name], first[name]) for each in every if each for name in first) else None
