"""A file as an example of the data that a network was trained on."""

from pathlib import Path

from torch import Tensor

from lossy_lightning.core import Codec, FileCodec, FileInfo, InputError, SignalForm
from lossy_lightning.data import SoundFormat, read_code, read_image, read_sound
from lossy_lightning.inspection.coded_file import SAMPLE_RATE, check_file, codec_of, is_sound


def read_example(path: str | Path, codec: Codec, form: SignalForm) -> Tensor:
    """The code of a file, made as a data set makes that of a test file.

    Args:
        path: Of the file.
        codec: That made the codes of training.
        form: What the data set brings signals to. If it crops them, the middle is taken.

    Returns:
        ``(C, *grid)``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken, smaller than the crop, of another size than all signals of the data set, or
            of another kind; the message says which.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from lossy_lightning.codecs import PCM
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (20, 10)).save(f"{folder}/a.png")
        ...     read_example(f"{folder}/a.png", PCM(), SignalForm((3, 8, 8), cropped=True)).shape
        torch.Size([3, 8, 8])
    """
    check_file(Path(path))
    data = Path(path).read_bytes()
    if form.as_stored and isinstance(codec, FileCodec) and _is_of(codec, data, path):
        return read_code(path, codec, form.crop)
    signal = _sound(path, codec, form) if is_sound(data) else _image(path, form)
    own, wanted = tuple(signal.shape), form.shape
    if len(own) != len(wanted) or any(want not in (None, size) for size, want in zip(own, wanted, strict=True)):
        raise InputError(f"{path} has a signal of {_sizes(own)}; the network was trained on those of {_sizes(wanted)}")
    try:
        return codec.encode(signal)
    except ValueError as error:
        raise InputError(f"{path} cannot be encoded: {error}") from error


def _is_of(codec: FileCodec, data: bytes, path: str | Path) -> bool:
    """Whether a file is one of a codec's own standard."""
    try:
        if type(codec_of(data)) is type(codec):
            return True
    except ValueError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return isinstance(codec.measure([data])[0], FileInfo)  # of standards that are not ours


def _sound(path: str | Path, codec: Codec, form: SignalForm) -> Tensor:
    channels, *sizes = form.shape
    length = sizes[0] if form.cropped else None
    rate = form.sample_rate or codec.sample_rate or SAMPLE_RATE
    return read_sound(path, SoundFormat(rate, length, None if channels == 1 else channels))


def _image(path: str | Path, form: SignalForm) -> Tensor:
    """An image, of one channel if the network was trained on such."""
    size = form.crop
    image = read_image(path, size=None if size is None or len(size) != 2 else (size[0], size[1]))
    if form.shape[0] != 1:
        return image
    if bool((image != image[:1]).any()):
        raise InputError(f"{path} has colours; the network was trained on grey images")
    return image[:1]


def _sizes(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if size is None else str(size) for size in shape)
