"""Ways from what an attacker changes, through a file, to what a network reads."""

import io
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from lossy_lightning.attacks import Fixed, Forward, straight_through
from lossy_lightning.codecs import JPEG
from lossy_lightning.core import CodeSpec
from lossy_lightning.functional import inverse_jpeg_transform, jpeg_transform

SHAPE = (3, 32, 32)

MEASURES = {
    "samples": ["greatest", "number"],
    "coded samples": ["greatest"],
    "codes": ["greatest", "number", "error", "seen"],
}
"""What is made least, by route."""


class Stored(NamedTuple):
    """What files hold.

    Attributes:
        signal: What is seen or heard of them, integer ``(N, *signal)``.
        code: ``(N, C, *grid)``, integer; of files of samples the samples themselves.
        file_bytes: int64 ``(N,)``.
    """

    signal: Tensor
    code: Tensor
    file_bytes: Tensor


class Route(NamedTuple):
    """Where an attacker sits, and what becomes of the changes.

    Attributes:
        name: ``samples`` (of a file that holds samples), ``coded samples`` (that are coded afterwards) or ``codes``.
        clean: What is changed, integer ``(N, C, *grid)``.
        low: Its least value, one number or one a channel.
        high: Its greatest.
        forward: Its values as float32 to logits: exact values, and a gradient that is alive.
        write: Files of it, written and read again.
        read: From what files hold to what the network reads.
        net: From what it reads to logits.
        encode: Signals to codes; None if samples are changed.
        decode: Codes to the signal; None if samples are changed.
        cost: Squared change of the signal by a step of each value, ``(C, 1, ...)`` or of each example; None: all alike.
        fixed: Values that stay.
        stem: Of categories, the module that reads them, by which replacements are chosen.
        queries: Of a black box, if each is dear, and then no student of the network is trained; None: as elsewhere.
        undoing: Whether the fewest changed values are found by undoing alone.
        fits: Which changed values a file can hold, ``(N,)``; None: all.
    """

    name: str
    clean: Tensor
    low: int | tuple[int, ...]
    high: int | tuple[int, ...]
    forward: Forward
    write: Callable[[Tensor], Stored]
    read: Callable[[Stored], Tensor]
    net: nn.Module
    encode: Callable[[Tensor], Tensor] | None = None
    decode: Callable[[Tensor], Tensor] | None = None
    cost: Tensor | None = None
    fixed: Fixed | None = None
    stem: nn.Module | None = None
    queries: int | None = None
    undoing: bool = False
    fits: Callable[[Tensor], Tensor] | None = None

    @torch.no_grad()
    def fooled(self, moved: Tensor, target: Tensor) -> Tensor:
        """Whether the network takes each for another class, by arithmetic alone, ``(N,)``."""
        return self.forward(moved.float()).argmax(1) != target

    @torch.no_grad()
    def fooled_by_files(self, moved: Tensor, target: Tensor) -> Tensor:
        """The same after real files were written and read; only what fools it by arithmetic, and fits, is written."""
        found = self.fooled(moved, target)
        if self.fits is not None:
            found[found.clone()] = self.fits(moved[found])
        index = torch.nonzero(found).squeeze(1)
        if len(index):
            read = self.read(self.write(moved[index]))
            found[index] = self.net(read).argmax(1) != target[index]
        return found


class Medium(Protocol):
    """How signals become codes and files, and the routes into networks on them.

    Attributes:
        measures: What is made least, by route.
    """

    measures: dict[str, list[str]]

    def encode(self, signal: Tensor) -> Tensor:
        """Codes of signals."""

    def read(self, samples: bool, stored: Stored) -> Tensor:
        """What the network on samples, or that on codes, reads of files."""

    def write(self, code: Tensor) -> Stored:
        """Files of codes, written and read again."""

    def routes(self, samples: bool, net: nn.Module, signal: Tensor) -> list[Route]:
        """Into a network on samples or on codes."""


class Images:
    """Images as JPEG files of one quality, and networks on them.

    Args:
        quality: Of the files.
    """

    measures = MEASURES

    def __init__(self, quality: int) -> None:
        self.codec = JPEG(quality, "4:4:4")
        spec: CodeSpec = self.codec.spec(SHAPE)
        self.low, self.high = spec.low, spec.high
        steps = self.codec.steps() or {}
        self.tables = torch.stack([steps[name] for name in ("luma", "cb", "cr")])
        # RGB of YCbCr: a change of luma is one of all three, one of Cb or Cr of two, by the standard's factors.
        weight = torch.tensor([3.0, 1.772**2 + 0.344**2, 1.402**2 + 0.714**2]).view(3, 1)
        self.cost = (self.tables.square() * weight).view(-1, 1, 1)

    def encode(self, signal: Tensor) -> Tensor:
        """Levels of images, uint8."""
        return self.codec.encode(signal)

    def decode(self, code: Tensor) -> Tensor:
        """Images of levels."""
        return self.codec.decode(code, SHAPE)

    def unfold(self, values: Tensor) -> Tensor:
        """The same in floats, differentiable."""
        parts = (values * self.tables.view(-1, 1, 1)).unflatten(1, (3, 8, 8)).movedim((2, 3), (-2, -1)).unbind(1)
        return inverse_jpeg_transform(parts, SHAPE[1:], (1, 1)).clamp(0, 255)

    def fold(self, values: Tensor) -> Tensor:
        """Coefficients over their steps, differentiable and not rounded."""
        parts = torch.stack(jpeg_transform(values, (1, 1)), 1).movedim((-2, -1), (2, 3)).flatten(1, 3)
        return parts / self.tables.view(-1, 1, 1)

    def read(self, samples: bool, stored: Stored) -> Tensor:
        """What the network on samples, or that on codes, reads of files."""
        return (stored.signal if samples else stored.code).float()

    def write(self, code: Tensor) -> Stored:
        """JPEG files, read again."""
        files = [self.codec.write(each, SHAPE) for each in code]
        again = torch.stack([self.codec.read(data)[0] for data in files]).contiguous()
        return Stored(self.decode(again), again, torch.tensor([len(data) for data in files]))

    def routes(self, samples: bool, net: nn.Module, signal: Tensor) -> list[Route]:
        """Into a network on pixels or on codes."""

        def as_pixels(values: Tensor) -> Tensor:
            return values.round().clamp(0, 255).to(torch.uint8)

        def as_code(values: Tensor) -> Tensor:
            return values.round().to(torch.int16)

        code = self.encode(signal)
        decoded = straight_through(lambda values: self.decode(as_code(values)).float(), self.unfold)
        encoded = straight_through(lambda values: self.encode(as_pixels(values)).float(), self.fold)
        again = straight_through(lambda values: self.decode(self.encode(as_pixels(values))).float())
        coded = again if samples else encoded
        through = decoded if samples else (lambda values: values)

        read = partial(self.read, samples)

        def write_coded(samples: Tensor) -> Stored:
            return self.write(self.encode(samples))

        found = [
            Route("coded samples", signal, 0, 255, lambda v: net(coded(v)), write_coded, read, net),
            Route(
                *("codes", code, self.low, self.high, lambda v: net(through(v)), self.write, read, net),
                *(self.encode, self.decode, self.cost),
            ),
        ]  # fmt: skip
        if samples:
            found.insert(0, Route("samples", self.decode(code), 0, 255, net.forward, write_png, read, net))
        return found


def write_png(images: Tensor) -> Stored:
    """PNG files of images, read again."""
    sizes, again = [], []
    for image in images.movedim(1, -1).numpy():
        file = io.BytesIO()
        # Pillow has no axis for the one channel of grey images.
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
        sizes.append(len(file.getvalue()))
        again.append(torch.from_numpy(np.array(Image.open(file)).reshape(image.shape)))
    signal = torch.stack(again).movedim(-1, 1).contiguous()
    return Stored(signal, signal, torch.tensor(sizes))
