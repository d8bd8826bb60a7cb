"""A file as the code that it holds, or that a codec makes of it."""

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from lossy_lightning.bitstream import jpeg, mp3
from lossy_lightning.bitstream.kinds import kind_of
from lossy_lightning.codecs import JPEG, MP3, NonlinearTransform
from lossy_lightning.core import Codec, CodeSpec, FileCodec, InputError, MissingFileError, TrainableCodec
from lossy_lightning.data import SoundFormat, read_image, read_sound
from lossy_lightning.functional import SAMPLING_FACTORS

_SOUNDS = ("mp3", "wav", "flac", "ogg", "aiff", "au")
SAMPLE_RATE = 16_000  # of sounds whose codec takes any
_ANY_RATE = 64  # kbit/s that MP3 has at each sampling rate; files of all are read


class CodedFile(NamedTuple):
    """A file and its code.

    Attributes:
        path: Of the file.
        codec: That reads the file as it is, or that encoded what it decodes to.
        code: ``(C, *grid)``.
        shape: Of the signal, ``(channels, height, width)`` or ``(channels, samples)``.
    """

    path: Path
    codec: Codec
    code: Tensor
    shape: tuple[int, ...]

    @property
    def spec(self) -> CodeSpec:
        """Spec of the code."""
        return self.codec.spec(self.shape)

    def decode(self) -> Tensor:
        """The signal that the code stands for."""
        return self.codec.decode(self.code, self.shape)


def open_file(path: str | Path, codec: Codec | None = None) -> CodedFile:
    """Read the code in a JPEG or MP3 file, or encode what any image or sound file decodes to.

    A file is told by its first bytes, and by its name only if they are of no known kind.

    Args:
        path: Of the file.
        codec: Encodes the decoded image or sound, or reads the file, if it is one of the codec's own standard; None
            reads JPEG and MP3 files as they are, with any tables and rate.

    Returns:
        The file and its code.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken, or of another kind than the codec takes; the message says which.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (20, 10)).save(f"{folder}/a.jpg")
        ...     file = open_file(f"{folder}/a.jpg")
        >>> file.shape, file.code.shape, file.spec.fields[0].name
        ((3, 10, 20), torch.Size([576, 1, 2]), 'luma')
    """
    path = Path(path)
    check_file(path)
    data = path.read_bytes()
    if isinstance(codec, TrainableCodec) and not codec.fitted:
        raise InputError(f"{type(codec).__name__} is fitted to data first; it cannot encode one file by itself")
    try:
        own = codec_of(data) if codec is None else codec
        if isinstance(own, FileCodec) and _is_own(data, path, own):
            return CodedFile(path, own, *own.read(data))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if own is None and kind_of(data) == "learned":
        raise InputError(f"{path} is a file of a learned codec, which needs its checkpoint; give that as --codec")
    if own is None:
        raise InputError(
            f"{path} is neither a JPEG nor an MP3 file; with --codec, images and sounds of other formats are encoded"
        )
    signal = read_sound(path, SoundFormat(own.sample_rate or SAMPLE_RATE)) if is_sound(data) else read_image(path)
    return CodedFile(path, own, own.encode(signal), tuple(signal.shape))


def _is_own(data: bytes, path: Path, codec: FileCodec) -> bool:
    """Whether a codec reads a file as it is; what the first bytes do not tell, the name does."""
    kind = kind_of(data)
    if kind == "learned":
        return isinstance(codec, NonlinearTransform)
    if kind:
        return type(codec_of(data)) is type(codec)
    return path.suffix.lower() in codec.extensions


def check_file(path: Path) -> None:
    """Check that a path is one of a file.

    Raises:
        FileNotFoundError: If it is not.
    """
    if not path.is_file():
        raise MissingFileError(f"{path} is {'a folder' if path.is_dir() else 'not there'}; name a file")


def codec_of(data: bytes) -> FileCodec | None:
    """The codec that reads a file as it is; None if none does."""
    kind = kind_of(data)
    if kind == "jpeg":
        (header,) = jpeg.read_headers([data])
        if isinstance(header, ValueError):
            raise header
        factors = header.sampling_factors[0]
        known = [name for name, each in SAMPLING_FACTORS.items() if tuple(each) == tuple(factors)]
        return JPEG(chroma_subsampling=known[0] if known and len(header.sampling_factors) > 1 else "4:4:4", tables=True)
    if kind == "mp3":
        (found,) = mp3.read_headers([data])
        if isinstance(found, ValueError):
            raise found
        return MP3(_ANY_RATE, found.sample_rate, found.channels)
    return None


def is_sound(data: bytes) -> bool:
    """Whether a file's first bytes are those of a sound."""
    return kind_of(data) in _SOUNDS
