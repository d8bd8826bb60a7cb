"""What makes codes."""

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from torch import Tensor, nn

from lossy_lightning.core.spec import CodeSpec


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
    """False if the codec runs on the host only, so that it is called in the loader's workers."""
    keeps_phase: bool = True
    """Sound: False if decoding makes up the phase, so that samples cannot be compared with the original's."""
    learned: bool = False
    """Whether encoding multiplies with weights that were trained or fitted, so that its MACs count."""
    exact: bool = True
    """Whether a signal's code does not depend on the batch that it comes in. False of codecs that compute in float32:
    batching may then move a rounding, of one value in a hundred at most, by one level in ordinal fields; the same batch
    always gives the same code."""
    idempotent: bool
    """Whether ``encode(decode(encode(x))) == encode(x)``."""

    @abstractmethod
    def encode(self, signal: Tensor) -> Tensor:
        """Code of a signal: ``(..., *signal)`` to ``(..., C, *grid)``, integer; edges are padded by replication."""

    @abstractmethod
    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Signal of a code ``(..., C, *grid)``, cropped to ``shape``, the signal's own, with or without its batch."""

    def round_trip(self, signal: Tensor) -> Tensor:
        """What is left of a signal, ``decode(encode(signal))``, for codecs that know a faster way to the same.

        Samples of sound may differ by one step, by which decoders of one standard differ.
        """
        # The shape matters beyond cropping: decoders treat the edges of an image apart from what pads them.
        return self.decode(self.encode(signal), tuple(signal.shape))

    @abstractmethod
    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """Spec of the code of a signal of that shape (None: varies). Depends on the constructor only, not on data."""

    def prepare(self) -> None:  # noqa: B027  most codecs need nothing
        """Fetch what coding needs from elsewhere, such as published weights; by default nothing.

        A datamodule calls it in `prepare_data`, once a machine; nothing else downloads.
        """

    def steps(self) -> dict[str, Tensor] | None:
        """Quantization steps by field: what levels are multiplied with to give coefficients.

        Returns:
            Names of fields to float32 ``(channels of a cell,)``, ones if codes are dequantized already; fields that
            codes of a signal may lack, such as chroma, are there too. None if steps are unknown, there are none, or
            they travel with the example in a field of their own, which the `Field` names.
        """
        return None

    def codebooks(self) -> Tensor | None:
        """Codebooks ``(C, levels, dim)`` if codes are codebook indices, else None.

        Channels of a residual code are stages, whose words are added up; a stage may be absent.
        """
        return None

    def encoding_macs(self, shape: tuple[int, ...], decoded: bool = False) -> Counter[int]:
        """Multiply-accumulates of encoding a signal that are done outside of torch, where nothing else can count them.

        Args:
            shape: Of the signal, without batch.
            decoded: Whether decoding it again counts, too.

        Returns:
            Bit width -> multiply-accumulates; empty by default, if torch computes all.
        """
        return Counter()

    def fingerprint(self) -> str:
        """Text that is equal for equal codecs, in any process, and differs otherwise.

        It names the class and its constructor arguments, and ends in a hash of fitted or loaded tensors, if any.

        Raises:
            TypeError: If a constructor argument is not kept as an attribute, or has no stable text.
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


class FileInfo(NamedTuple):
    """What the headers of a file say.

    Attributes:
        signal_shape: Shape of its signal.
        grid: Size of its code along each axis of the grid.
    """

    signal_shape: tuple[int, ...]
    grid: tuple[int, ...]


class FileCodec(Codec):
    """A codec whose codes live in standard files, such as JPEG or MP3.

    A subclass writes `read` and `write`. Both methods for many files have a default that calls `read` and keeps a
    whole code at a time; a codec for large files writes them too.
    """

    extensions: tuple[str, ...]
    """Endings of its files, in lower case, such as ``(".jpg", ".jpeg")``."""
    signal_shape: tuple[int | None, ...]
    """Shape of the signals that files of one folder are read as; None varies."""
    pitch: tuple[int, ...]
    """Samples along each axis, without channels, from one possible start of a crop to the next."""
    header_bytes: int | None = None
    """How much of a file's beginning `measure` needs nearly always; None: all of it."""

    @abstractmethod
    def read(self, data: bytes) -> tuple[Tensor, tuple[int, ...]]:
        """Code in a file's bytes, and the shape of its signal.

        Raises:
            ValueError: If the file is broken, or its rate, layout or tables differ from this codec's and the code
                does not carry them.
        """

    @abstractmethod
    def write(self, code: Tensor, shape: tuple[int, ...]) -> bytes:
        """Bytes of a standard file that holds exactly this code of a signal of that shape."""

    def measure(self, files: Sequence[bytes], lenient: bool = False) -> list[FileInfo | ValueError]:
        """Look at the headers of files.

        Args:
            files: Their bytes.
            lenient: Whether damaged files are measured too, as far as `read_into` reads them leniently.

        Returns:
            For each file what its headers say, or what is wrong with them.
        """
        found: list[FileInfo | ValueError] = []
        for data in files:
            try:
                code, shape = self.read(data)
                found.append(FileInfo(shape, tuple(code.shape[1:])))
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
        """Read the codes of files, or windows of them, into tensors that are there already.

        Whether a file is good does not depend on its window.

        Args:
            files: Their bytes.
            rows: For each file an integer tensor ``(C, *grid)`` of the window's size, such as a row of a batch,
                channels last in memory.
            windows: For each file the part of its grid that is read, a slice for each axis; None: all of it.
            lenient: Whether a file that is cut off is read as far as it goes, by codecs that can.
            num_threads: Number of threads that read together, in codecs that have some.
            infos: What `measure` said of these files, for codecs that then need not look at the headers again; None if
                they were not measured.

        Returns:
            For each file None, or what is wrong with it; then its row may hold anything. No file stops the others.
        """
        whole = (slice(None),) * (rows[0].ndim - 1) if rows else ()
        places = [whole] * len(files) if windows is None else windows
        wrong: list[ValueError | None] = [None] * len(files)
        for i, (data, row, window) in enumerate(zip(files, rows, places, strict=True)):
            try:
                row.copy_(self.read(data)[0][(slice(None), *window)])
            except ValueError as error:
                wrong[i] = error
        return wrong


class TrainableCodec(Codec, nn.Module):
    """A codec with tensors that are fitted to data, such as a codebook; an `nn.Module`, so they are saved and moved."""

    learned = True

    @property
    @abstractmethod
    def fitted(self) -> bool:
        """Whether the codec can encode; loading a fitted state counts."""

    @abstractmethod
    def fit(self, signals: Iterable[Tensor]) -> Self:
        """Fit to batches of signals, each ``(N, *signal)``, read once; returns the codec itself."""


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
