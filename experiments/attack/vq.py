"""Digits as 4-bit codes of 4x4 blocks: routes into networks on codes and on what they are decoded to."""

from functools import partial

import torch
from torch import Tensor, nn

from experiments.attack.routes import Route, Stored, write_png
from lossy_lightning.core import Codec
from lossy_lightning.functional import from_blocks, to_blocks

SHAPE = (1, 28, 28)
_BLOCK = (4, 4)
_MEASURES = {"samples": ["greatest", "number"], "coded samples": ["greatest"], "codes": ["number"]}


class Words(nn.Module):
    """Images of indices, as a module that reads them.

    Args:
        words: ``(levels, values of a block)``.
    """

    def __init__(self, words: Tensor) -> None:
        super().__init__()
        self.words = words

    def forward(self, code: Tensor) -> Tensor:
        """``(N, 1, *grid)`` to ``(N, 1, *signal)``, float."""
        return from_blocks(self.words[code.squeeze(1).long()], _BLOCK)


class Digits:
    """Codes of one codebook, and networks on them; a file of codes is their bytes.

    Args:
        codec: Fitted.
    """

    measures = _MEASURES

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        words = codec.codebooks()
        assert words is not None
        self.words = words[0]

    def encode(self, signal: Tensor) -> Tensor:
        """Indices of images, uint8."""
        return self.codec.encode(signal)

    def decode(self, code: Tensor) -> Tensor:
        """Images of indices."""
        return self.codec.decode(code, SHAPE)

    def read(self, samples: bool, stored: Stored) -> Tensor:
        """What the network on samples, or that on codes, reads of files."""
        return stored.signal.float() if samples else stored.code

    def write(self, code: Tensor) -> Stored:
        """Indices decoded and coded again, as a file of them would be shown and stored."""
        signal = self.decode(code)
        return Stored(signal, self.encode(signal), torch.full((len(code),), (code[0].numel() + 1) // 2))

    def unfold(self, chances: Tensor) -> Tensor:
        """Images of chances of each word ``(N, levels, *grid)``, differentiable."""
        return from_blocks(chances.movedim(1, -1) @ self.words, _BLOCK)

    def soft(self, values: Tensor) -> Tensor:
        """Chances of each word for each block of an image, differentiable: the nearer, the likelier."""
        blocks = to_blocks(values, _BLOCK)
        distance = torch.cdist(blocks.flatten(1, 2), self.words.expand(len(values), *self.words.shape)).square()
        nearest = distance.amin(-1, keepdim=True)
        chances = ((nearest - distance) / (0.1 * nearest + 1000.0)).softmax(-1)
        return chances.unflatten(1, blocks.shape[1:3]).movedim(-1, 1)

    def routes(self, samples: bool, net: nn.Module, signal: Tensor) -> list[Route]:
        """Into a network on samples or on codes."""

        def as_pixels(values: Tensor) -> Tensor:
            return values.round().clamp(0, 255).to(torch.uint8)

        read = partial(self.read, samples)
        stem = Words(self.words) if samples else net[0]
        rest = net if samples else net[1]

        def answer(chances: Tensor) -> Tensor:
            """Of words that are there more or less."""
            return rest(self.unfold(chances) if samples else chances)

        def coded(values: Tensor) -> Tensor:
            with torch.no_grad():
                hard = _one_hot(self.encode(as_pixels(values.detach())), len(self.words))
            soft = self.soft(values)
            return answer(soft + (hard - soft).detach())

        def by_index(code: Tensor) -> Tensor:
            return rest(stem(code.to(torch.uint8)))

        def write_coded(pixels: Tensor) -> Stored:
            return self.write(self.encode(pixels))

        code = self.encode(signal)
        top = len(self.words) - 1
        found = [
            Route("coded samples", signal, 0, 255, coded, write_coded, read, net),
            Route("codes", code, 0, top, by_index, self.write, read, net, self.encode, self.decode, stem=stem),
        ]
        if samples:
            found.insert(0, Route("samples", self.decode(code), 0, 255, net.forward, write_png, read, net))
        return found


def _one_hot(code: Tensor, levels: int) -> Tensor:
    """``(N, 1, *grid)`` to ``(N, levels, *grid)``."""
    return nn.functional.one_hot(code.squeeze(1).long(), levels).movedim(-1, 1).float()
