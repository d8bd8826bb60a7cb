"""The vocabulary: what a code is, what makes codes, and what reads them first."""

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class CodeSpec(NamedTuple):
    """The type of a code: its shape, the range of each channel, and what its numbers mean.

    Attributes:
        shape: ``(C, *grid)``, channel first, no batch dimension; None where the size varies from example to example.
        low: Least value of each channel, length C.
        high: Greatest value of each channel, inclusive, length C.
        ordinal: True where ``|a - b|`` has meaning (pixels, coefficients); False for codebook indices.

    Example:
        >>> spec = CodeSpec.uniform((1, 7, 7), low=0, high=15, ordinal=False)
        >>> spec.levels, spec.bit_widths, spec.num_bits, spec.dtype
        ((16,), (4,), 196, torch.uint8)
    """

    shape: tuple[int | None, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    ordinal: bool

    @classmethod
    def uniform(cls, shape: tuple[int | None, ...], low: int, high: int, *, ordinal: bool) -> "CodeSpec":
        """The spec whose channels all range from ``low`` to ``high``, inclusive.

        Raises:
            ValueError: Where the number of channels, ``shape[0]``, is None or ``low > high``.
        """
        channels = shape[0]
        if channels is None or low > high:
            raise ValueError(f"a spec needs a number of channels and low <= high; got {shape=}, {low=}, {high=}")
        return cls(tuple(shape), (low,) * channels, (high,) * channels, ordinal)

    @classmethod
    def union(cls, *specs: "CodeSpec") -> "CodeSpec":
        """The spec that every code of the given specs satisfies.

        Raises:
            ValueError: Where the specs differ in shape or kind, or are codebook indices of unequal ranges.
        """
        shape, low, high, ordinal = specs[0]
        for spec in specs[1:]:
            if spec.shape != shape or spec.ordinal != ordinal:
                raise ValueError(f"codes of one data set must agree in shape and kind; got {specs[0]} and {spec}")
            if not ordinal and (spec.low, spec.high) != (low, high):
                raise ValueError(f"codebook indices must come from codebooks of one size; got {specs[0]} and {spec}")
            low = tuple(map(min, low, spec.low))
            high = tuple(map(max, high, spec.high))
        return cls(shape, low, high, ordinal)

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of different values of each channel."""
        return tuple(high - low + 1 for low, high in zip(self.low, self.high, strict=True))

    @property
    def bit_widths(self) -> tuple[int, ...]:
        """Bits that hold any value of each channel: ``ceil(log2(levels))``, 0 for a constant channel."""
        return tuple((levels - 1).bit_length() for levels in self.levels)

    @property
    def num_bits(self) -> int:
        """Bits of one code's *container*: the bit widths summed over channels and grid.

        This is not the entropy-coded size, which depends on the data.

        Raises:
            ValueError: Where the size varies from example to example.
        """
        if None in self.shape:
            raise ValueError(f"codes of shape {self.shape} vary in size, so they have no one number of bits")
        return sum(self.bit_widths) * prod(size for size in self.shape[1:] if size is not None)

    @property
    def dtype(self) -> torch.dtype:
        """The smallest integer dtype that holds every channel."""
        low, high = min(self.low), max(self.high)
        return next(d for d in _INTEGERS if torch.iinfo(d).min <= low and high <= torch.iinfo(d).max)

    def check_layout(self, code: Tensor) -> None:
        """Check dtype and shape of a code ``(..., C, *grid)``; reads no value, so it is free on any device.

        Raises:
            ValueError: Where the code is not of an integer dtype or not of this shape.
        """
        if code.dtype not in _INTEGERS:
            raise ValueError(f"a code is of an integer dtype; got {code.dtype}: encode the signal with a codec first")
        trailing = tuple(code.shape[max(0, code.ndim - len(self.shape)) :])
        if len(trailing) != len(self.shape) or any(
            want not in (None, got) for want, got in zip(self.shape, trailing, strict=True)
        ):
            want = ", ".join("any" if size is None else str(size) for size in self.shape)
            raise ValueError(f"codes of shape (..., {want}) are expected here; got {tuple(code.shape)}")

    def check(self, code: Tensor) -> None:
        """Check dtype, shape and values of a code ``(..., C, *grid)``.

        Raises:
            ValueError: Where the code is not of this spec; names the first channel that leaves its range.
        """
        self.check_layout(code)
        if code.numel() == 0:
            return
        least, greatest = code.movedim(code.ndim - len(self.shape), 0).flatten(1).aminmax(dim=1)
        for channel, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            got = int(least[channel]), int(greatest[channel])
            if got[0] < low or got[1] > high:
                raise ValueError(f"channel {channel} of a code ranges from {low} to {high}; got {got[0]} to {got[1]}")


class CodeStatistics(NamedTuple):
    """Mean and standard deviation of each channel of a data set's training codes, float32, shape ``(C,)``."""

    mean: Tensor
    std: Tensor


class Codec(ABC):
    """Turns signals into integer codes and back.

    A signal is channel first: an image ``(channels, height, width)`` uint8, a sound ``(channels, samples)`` int16.
    Leading dimensions are a batch. A constructor keeps each argument as an attribute of the same name, as in
    scikit-learn: `repr` and `fingerprint` are read off them. `lossy_lightning.testing.check_codec` checks the whole
    contract for a codec of your own.
    """

    sample_rate: int | None = None
    """Sound: the rate in Hz that the codec expects; None for any rate, or no sound."""
    on_device: bool = True
    """False where the codec runs on the host only, so that it is called in the loader's workers."""
    keeps_phase: bool = True
    """Sound: False where decoding makes up the phase, so that samples cannot be compared with the original's."""
    idempotent: bool
    """Whether ``encode(decode(encode(x))) == encode(x)``."""

    @abstractmethod
    def encode(self, signal: Tensor) -> Tensor:
        """Code of a signal: ``(..., *signal)`` to ``(..., C, *grid)``, integer; edges are padded by replication."""

    @abstractmethod
    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Signal of a code ``(..., C, *grid)``, cropped to ``shape``, the signal's own, with or without its batch."""

    def round_trip(self, signal: Tensor) -> Tensor:
        """What is left of a signal, ``decode(encode(signal))``, for codecs that know a faster way to the same."""
        # The shape matters beyond cropping: decoders treat the edges of an image apart from what pads them.
        return self.decode(self.encode(signal), tuple(signal.shape))

    @abstractmethod
    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """Spec of the code of a signal of that shape (None: varies). Depends on the constructor only, not on data."""

    def prepare(self) -> None:  # noqa: B027  most codecs need nothing
        """Fetch what coding needs from elsewhere, such as published weights; by default nothing.

        A datamodule calls it in `prepare_data`, once a machine; nothing else downloads.
        """

    def codebooks(self) -> Tensor | None:
        """Codebooks ``(C, levels, dim)`` where codes are codebook indices, else None.

        Channels of a residual code are stages, whose words are added up; there the index -1 is a stage not sent.
        """
        return None

    def fingerprint(self) -> str:
        """Text that is equal for equal codecs, in any process, and differs otherwise.

        It names the class and its constructor arguments, and ends in a hash of fitted or loaded tensors, if any.

        Raises:
            TypeError: Where a constructor argument is not kept as an attribute, or has no stable text.
        """
        module = type(self).__module__.replace("__mp_main__", "__main__")
        name = f"{module}.{self!r}"
        return f"{name} {_digest(self)}" if isinstance(self, nn.Module) else name

    def __repr__(self) -> str:
        arguments = (f"{name}={_describe(value)}" for name, value in self._arguments().items())
        return f"{type(self).__qualname__}({', '.join(arguments)})"

    def _arguments(self) -> dict[str, Any]:
        names = list(inspect.signature(type(self)).parameters)
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise TypeError(
                f"{type(self).__qualname__} keeps no attribute for its constructor arguments {missing}; "
                "store each argument under its own name"
            )
        return {name: getattr(self, name) for name in names}


class FileCodec(Codec):
    """A codec whose codes live in standard files, such as JPEG or MP3."""

    @abstractmethod
    def read(self, data: bytes) -> tuple[Tensor, tuple[int, ...]]:
        """Code in a file's bytes, and the shape of its signal.

        Raises:
            ValueError: Where the file is broken, or its rate, layout or tables differ from this codec's and the code
                does not carry them.
        """

    @abstractmethod
    def write(self, code: Tensor, shape: tuple[int, ...]) -> bytes:
        """Bytes of a standard file that holds exactly this code of a signal of that shape."""


class TrainableCodec(Codec, nn.Module):
    """A codec with tensors that are fitted to data, such as a codebook; an `nn.Module`, so they are saved and moved."""

    @property
    @abstractmethod
    def fitted(self) -> bool:
        """Whether the codec can encode; loading a fitted state counts."""

    @abstractmethod
    def fit(self, signals: Iterable[Tensor]) -> Self:
        """Fit to batches of signals, each ``(N, *signal)``, read once; returns the codec itself."""


class Stem(nn.Module, ABC):
    """First layer of a model: an integer code ``(N, C, *grid)`` to float features ``(N, *shape)``.

    A stem is built from a `CodeSpec` and raises ValueError where it does not fit that spec.
    """

    shape: tuple[int | None, ...]
    """Shape of the features, without batch; None where it varies."""

    @abstractmethod
    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""

    def adapt(self, codec: Codec, statistics: CodeStatistics) -> None:
        """Take over what the data know: codebooks, statistics of the codes. By default nothing.

        The task calls it once, when fitting is set up; a checkpoint loaded later wins.
        """

    def check_codecs(self, codecs: Iterable[Codec]) -> None:
        """Check, once adapted, that the codes of all codecs of a datamodule are read rightly. By default they are.

        Raises:
            MisconfigurationException: Where codes of one would be misread.
        """


def _describe(value: Any) -> str:
    """Text of a constructor argument that is the same in every process."""
    match value:
        case Tensor() | np.ndarray():
            array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
            digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]
            return f"{array.dtype}{array.shape}#{digest}"
        case dict():
            return "{" + ", ".join(f"{_describe(k)}: {_describe(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            # A YAML list and a Python tuple make the same codec.
            return "(" + ", ".join(map(_describe, value)) + ")"
        case nn.Module() if not isinstance(value, Codec):
            return f"{value!r}#{_digest(value)}"
    text = repr(value)
    if " at 0x" in text:
        raise TypeError(f"the constructor argument {text} has no text of its own; give its class a __repr__")
    return text


def _digest(module: nn.Module) -> str:
    """Hash of a module's state."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name}={_describe(value)};".encode())
    return digest.hexdigest()[:16]
