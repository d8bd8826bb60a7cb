"""Nonlinear transform coding: networks make latents, rounding makes integers, an entropy model makes bits."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lossy_lightning.codecs.learned._checkpoints import codec_of
from lossy_lightning.codecs.learned._container import MAX_SAMPLES, Container, from_bytes, to_bytes
from lossy_lightning.codecs.learned._doubles import in_double, in_single
from lossy_lightning.codecs.learned._range_coding import RangeReader, RangeWriter
from lossy_lightning.codecs.learned._signals import from_unit, grid_of, output_of, stride_of, to_unit
from lossy_lightning.core import CodeSpec, FileCodec, FileInfo, InputError
from lossy_lightning.core.arguments import check_integers, check_module
from lossy_lightning.functional import crop, pad_to_multiple, undisturbed

MOST = 127
"""Latents are rounded to whole numbers from -127 to 127."""


class Compressed(NamedTuple):
    """What training sees of a batch.

    Attributes:
        reconstruction: In [-1, 1], not rounded, of the signals' shape.
        bits: Of each example, as the entropy model tells, ``(N,)``.
    """

    reconstruction: Tensor
    bits: Tensor


class NonlinearTransform(FileCodec, nn.Module):
    """A codec of an encoder network, whole-numbered latents, and a decoder network; subclasses tell their entropy.

    Images are uint8, sounds int16; both are scaled to [-1, 1] for the networks. `RateDistortionTask` trains it. Its
    files hold the shape and the latents, range-coded with whole-numbered tables that a checkpoint keeps, and a
    checksum; the same codec reads them in any process, with any number of threads. Files need the extra ``learned``.

    `encode` and `decode` never train anything, whatever mode the codec is in.

    Args:
        encoder: Signal ``(N, channels, *size)`` to latents ``(N, dim, *grid)``. Its attribute ``stride`` tells the
            samples of a cell along each axis; sizes come padded to a multiple of it.
        decoder: Latents to a signal ``(N, channels, *(grid * stride))``.
        dim: Number of latents of a cell.
        channels: Of the signal.
        sample_rate: Sound: the rate in Hz that it is trained for.
        exact: Compute in float64, so that a code does not depend on the batch that its signal came in. False: in
            float32, several times faster, and batching may move a rounding (`Codec.exact`).

    Raises:
        ValueError: If the encoder tells no stride, or an argument is of another kind.

    Source:
        Ballé et al., Nonlinear transform coding, IEEE Journal of Selected Topics in Signal Processing 15, 2021.
    """

    learned = True
    idempotent = False
    extensions = (".llnc",)

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        dim: int,
        channels: int = 3,
        sample_rate: int | None = None,
        exact: bool = True,
    ) -> None:
        super().__init__()
        check_module("encoder", encoder)
        check_module("decoder", decoder)
        check_integers(1, dim=dim, channels=channels)
        if sample_rate is not None:
            check_integers(1, sample_rate=sample_rate)
        if not isinstance(exact, bool):
            raise InputError(f"exact is true or false; got {exact!r}")
        self.encoder = encoder
        self.decoder = decoder
        self.dim = dim
        self.channels = channels
        self.sample_rate = sample_rate
        self.exact = exact
        self._held_key: bytes | None = None  # while many files are read
        self.stride = stride_of(encoder, type(self).__name__)
        self.signal_shape = (channels, *[None] * len(self.stride))

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> "NonlinearTransform":  # the command line cannot resolve Self
        """The codec in the checkpoint of a `RateDistortionTask` that the command line ran.

        Args:
            path: Of the checkpoint.

        Raises:
            ValueError: If there is no such file, it is no checkpoint, or it holds no such codec.
        """
        return codec_of(path, cls, "a RateDistortionTask")

    @property
    def dtype(self) -> torch.dtype:
        """Of the signals: uint8 for images, int16 for sounds."""
        return torch.uint8 if len(self.stride) == 2 else torch.int16

    @property
    def pitch(self) -> tuple[int, ...]:  # type: ignore[override]
        """Samples from one position of the code's grid to the next."""
        return tuple(width * cells for width, cells in zip(self.stride, self._cells(), strict=True))

    def forward(self, signal: Tensor) -> Compressed:
        """Reconstruction and bits of signals ``(N, channels, *size)``, with gradients.

        In training, noise of the width of a step stands for rounding.

        Raises:
            ValueError: If encoder, decoder and codec were made for other signals or latents than each other.
        """
        latents = self._analysis(self.encoder, to_unit(signal))
        values = self._noisy(latents)
        bits = self._bits(latents, values)
        return Compressed(crop(self._synthesis(self.decoder, values), tuple(signal.shape[2:])), bits)

    def encode(self, signal: Tensor) -> Tensor:
        """Rounded latents of a signal ``(..., channels, *size)``: ``(..., C, *grid)``.

        Raises:
            ValueError: If the signal is not of the codec's axes, channels and dtype, or has no samples; if the encoder
                was made for other signals or latents.
        """
        axes = len(self.stride) + 1
        if signal.ndim < axes or signal.dtype != self.dtype or signal.shape[-axes] != self.channels:
            raise InputError(
                f"this {type(self).__name__} takes signals (..., {self.channels}, *size) with {axes - 1} sizes, of "
                f"{self.dtype}; got shape {tuple(signal.shape)} of {signal.dtype}"
            )
        spec, batch = self.spec(tuple(signal.shape[-axes:])), signal.shape[:-axes]
        with undisturbed(self):
            unit = to_unit(signal.reshape(-1, *signal.shape[-axes:]), torch.float64 if self.exact else torch.float32)
            levels = self._levels(self._analysis(partial(self._run, self.encoder), unit))
        code = spec.join({name: part.to(spec.dtype) for name, part in levels.items()})
        return code.view(*batch, *code.shape[1:])

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Signal of a code ``(..., C, *grid)``, rounded to whole samples and cropped to ``shape``.

        Raises:
            ValueError: If the code is none of this codec, or the shape larger than its signal; if the decoder was made
                for other signals or latents.
        """
        axes = len(self.stride) + 1
        spec = self._spec((None,) * len(self.stride))
        spec.check(code)
        batch = code.shape[:-axes]
        levels = spec.split(code.reshape(-1, *code.shape[-axes:]))
        with undisturbed(self):
            values = self._synthesis(partial(self._run, self.decoder), self._latents(levels))
            signal = from_unit(values, self.dtype)
        signal = signal.view(*batch, *signal.shape[1:])
        return signal if shape is None else crop(signal, shape[-len(self.stride) :])

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """Latents from -127 to 127, and what else the files hold.

        Raises:
            ValueError: If the shape has not the codec's channels, and one size of at least 1 an axis of the stride.
        """
        if len(shape) != len(self.stride) + 1 or shape[0] != self.channels:
            raise InputError(
                f"this {type(self).__name__} takes signals ({self.channels}, *size) with {len(self.stride)} sizes; got "
                f"shape {tuple(shape)}"
            )
        return self._spec(grid_of(shape[1:], self.pitch))

    def steps(self) -> dict[str, Tensor]:
        """Ones: latents are whole numbers in the networks' own units."""
        return {field.name: torch.ones(len(field.low)) for field in self._spec((1,) * len(self.stride)).fields}

    def read(self, data: bytes) -> tuple[Tensor, tuple[int, ...]]:
        """Code in a file's bytes, and the shape of its signal.

        Raises:
            ValueError: If the file is damaged, another codec wrote it, or it tells a larger signal than its bytes hold.
        """
        container, spec = self._checked(data, self._key(), self._least_bits())
        with undisturbed(self):
            levels = self._take(RangeReader(container.values), spec)
        return spec.join({name: part.to(spec.dtype) for name, part in levels.items()}), container.shape

    def write(self, code: Tensor, shape: tuple[int, ...]) -> bytes:
        """Bytes of a file that holds exactly this code of a signal of that shape.

        Raises:
            ValueError: If the code is not one of such a signal, or a batch.
        """
        spec = self.spec(tuple(shape))
        if code.ndim != len(spec.shape):
            raise InputError(
                f"a file holds one code of shape {spec.shape}; got {tuple(code.shape)}: write those of a batch one by "
                "one"
            )
        spec.check(code)
        writer = RangeWriter()
        with undisturbed(self):
            self._put(writer, spec.split(code.cpu()))
        return to_bytes(Container(self._key(), tuple(shape), writer.data()))

    def measure(self, files: Sequence[bytes], lenient: bool = False) -> list[FileInfo | ValueError]:
        """Look at the headers of files; the checksum is of the whole file, so all bytes are needed."""
        found: list[FileInfo | ValueError] = []
        key, least_bits = self._key(), self._least_bits()
        for data in files:
            try:
                container, spec = self._checked(data, key, least_bits)
                found.append(FileInfo(container.shape, tuple(size or 0 for size in spec.grid)))
            except ValueError as error:
                found.append(error)
        return found

    def read_into(
        self,
        files: Sequence[bytes],
        rows: Sequence[Tensor],
        windows: Sequence[Sequence[slice]] | None = None,
        lenient: bool = False,
        num_threads: int = 1,
        infos: Sequence[FileInfo] | None = None,
    ) -> list[ValueError | None]:
        """Read the codes of files, or windows of them; the codec's tensors are hashed once for all."""
        self._held_key = self._key()
        try:
            return super().read_into(files, rows, windows, lenient, num_threads, infos)
        finally:
            self._held_key = None

    @abstractmethod
    def update_tables(self) -> None:
        """Make the tables of files anew, from what has been learned; files written before can no longer be read."""

    @abstractmethod
    def _cells(self) -> tuple[int, ...]:
        """Latents at a position of the code's grid, along each axis."""

    @abstractmethod
    def _spec(self, grid: tuple[int | None, ...]) -> CodeSpec: ...

    @abstractmethod
    def _levels(self, latents: Tensor) -> dict[str, Tensor]:
        """Fields of the code ``(N, channels, *grid)``, of latents that are not rounded yet."""

    def _latents(self, levels: dict[str, Tensor]) -> Tensor:
        """What the decoder reads of the fields of a code."""
        return levels["latents"]

    @abstractmethod
    def _bits(self, latents: Tensor, values: Tensor) -> Tensor:
        """Of each example ``(N,)``, of latents, and of what stands for them rounded."""

    @abstractmethod
    def _least_bits(self) -> float:
        """That a position of the code's grid takes in a file."""

    @abstractmethod
    def _put(self, writer: RangeWriter, levels: dict[str, Tensor]) -> None: ...

    @abstractmethod
    def _take(self, reader: RangeReader, spec: CodeSpec) -> dict[str, Tensor]: ...

    def _analysis(self, encoder: Callable[[Tensor], Tensor], unit: Tensor) -> Tensor:
        """Latents ``(N, dim, *grid)`` of signals in [-1, 1]."""
        padded = pad_to_multiple(unit, self.pitch)
        sizes = [size // width for size, width in zip(padded.shape[2:], self.stride, strict=True)]
        return output_of(encoder, "encoder", padded, self.dim, sizes)

    def _synthesis(self, decoder: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
        """Padded signals in [-1, 1] of latents."""
        sizes = [size * width for size, width in zip(values.shape[2:], self.stride, strict=True)]
        return output_of(decoder, "decoder", values, self.channels, sizes)

    def _run(self, module: nn.Module, x: Tensor) -> Tensor:
        return in_double(module, x) if self.exact else in_single(module, x)

    def _noisy(self, x: Tensor) -> Tensor:
        return x + torch.empty_like(x).uniform_(-0.5, 0.5) if self.training else rounded(x)

    def _key(self) -> bytes:
        return self._held_key or hashlib.sha256(self.fingerprint().encode()).digest()[:8]

    def _checked(self, data: bytes, key: bytes, least_bits: float) -> tuple[Container, CodeSpec]:
        """What a file holds that the codec of a key wrote, and the spec of its code, before anything is made of it."""
        container = from_bytes(data)
        if container.key != key:
            raise InputError(
                "another codec wrote this file, or this one before it was trained further: read it with the checkpoint "
                "that wrote it"
            )
        spec = self.spec(container.shape)
        grid = [size or 0 for size in spec.grid]
        least, held = prod(grid) * least_bits / 8, len(container.values)
        # A short side is padded, so a code may have many more values than the signal has samples.
        if least > held or prod([spec.shape[0] or 0, *grid]) > MAX_SAMPLES:
            raise InputError(
                f"the file tells a signal of shape {container.shape}, whose code {spec.shape} takes {least:.0f} bytes "
                f"at least; it holds {held}, and {MAX_SAMPLES} values are allowed: the file is damaged"
            )
        return container, spec


def rounded(latents: Tensor) -> Tensor:
    """Whole numbers from -127 to 127."""
    return latents.round().clamp(-MOST, MOST)


def bits_of(probabilities: Tensor) -> Tensor:
    """Information of each example: ``(N, …)`` to ``(N,)``."""
    return -probabilities.log2().flatten(1).sum(1)


def channel_numbers(shape: tuple[int, ...]) -> Any:
    """For values ``(channels, *grid)``, the number of each one's channel."""
    return torch.arange(shape[0]).view(-1, *[1] * (len(shape) - 1)).expand(shape)
