"""What is wrong with files that hold codes."""

from math import prod

from lossy_lightning.bitstream import read_file
from lossy_lightning.core import FileInfo, InputError
from lossy_lightning.data.bad_files import BadFile, Reason


def read_content(path: str, max_bytes: int | None = None) -> bytes | BadFile:
    """Bytes of a file, or what is wrong with it.

    Args:
        path: Of the file.
        max_bytes: That are read; None for all.
    """
    try:
        content = read_file(path, max_bytes)
    except OSError as error:
        return BadFile.from_os(path, error)
    return content if content else BadFile(path, Reason.EMPTY, "it has no bytes")


def what_is_wrong(
    path: str, info: FileInfo | ValueError, crop: tuple[int, ...] | None, max_samples: int
) -> BadFile | None:
    """What the headers of a file tell against it; None if nothing.

    Args:
        path: Of the file.
        info: What a codec says of the headers.
        crop: Of the signal, if it is cropped.
        max_samples: Of a channel.
    """
    if isinstance(info, ValueError):
        return refused(path, info, Reason.FORMAT)
    sizes = info.signal_shape[1:]
    if prod(sizes) > max_samples:
        measures = " x ".join(map(str, sizes))
        return BadFile(path, Reason.TOO_LARGE, f"the signal has {measures} samples, more than {max_samples}")
    if crop is not None and any(size < wanted for size, wanted in zip(sizes, crop, strict=True)):
        measures, wanted = (" x ".join(map(str, lengths)) for lengths in (sizes, crop))
        return BadFile(path, Reason.UNFIT, f"the signal has {measures} samples, less than the crop of {wanted}")
    return None


def refused(path: str, error: ValueError, reason: Reason) -> BadFile:
    """What a codec says against a file: readers raise plain errors, the codec itself those of this package."""
    return BadFile(path, Reason.UNFIT if isinstance(error, InputError) else reason, str(error))
