"""MP3 files to rows of codes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.bitstream.mp3 import MP3Frames, read_frames
from lossy_lightning.codecs.standards._mp3_layout import MP3Layout
from lossy_lightning.core import FileInfo, InputError


def measure(layout: MP3Layout, files: Sequence[bytes]) -> list[FileInfo | ValueError]:
    """Sound and grid of files that the codec can read; what is wrong with the others."""
    found: list[FileInfo | ValueError] = []
    for data in files:
        try:
            frames = read_checked(layout, data)
            samples = layout.samples(len(frames.levels), frames.delay, frames.padding)
            found.append(FileInfo((layout.channels, samples), (len(frames.levels),)))
        except ValueError as error:
            found.append(error)
    return found


def read_rows(
    layout: MP3Layout,
    files: Sequence[bytes],
    rows: Sequence[Tensor],
    windows: Sequence[Sequence[slice]] | None,
    lenient: bool,
) -> list[ValueError | None]:
    """Do what `FileCodec.read_into` says."""
    result: list[ValueError | None] = [None] * len(files)
    for i, (data, row) in enumerate(zip(files, rows, strict=True)):
        try:
            frames = read_checked(layout, data, lenient)
            units: NDArray[np.int16] = row.mT.numpy()
            part = _part(len(frames.levels), len(units), None if windows is None else windows[i])
            layout.fill(units, {name: _cut(value, part) for name, value in frames.tensors().items()})
        except ValueError as error:
            result[i] = error
    return result


def read_checked(layout: MP3Layout, data: bytes, lenient: bool = False) -> MP3Frames:
    """The frames of a file that the codec can hold.

    Raises:
        ValueError: If the file is broken, has no frame, or is of another sampling rate or number of channels.
    """
    frames = read_frames(data, lenient)
    granules, channels, _ = frames.levels.shape
    if (frames.sample_rate, channels) != (layout.sample_rate, layout.channels):
        raise InputError(
            f"the file has {channels} channels at {frames.sample_rate} Hz, this codec {layout.channels} at "
            f"{layout.sample_rate} Hz: use a codec of the file's, or decode the file and resample its sound"
        )
    if not granules:
        raise InputError("the file has no frame of sound")
    return frames


def _part(granules: int, length: int, window: Sequence[slice] | None) -> slice:
    """The granules of a window, which must be as many as its row has."""
    start, stop, step = slice(None).indices(granules) if window is None else window[0].indices(granules)
    if (stop - start, step) != (length, 1):
        raise InputError(f"a row for {length} granules cannot hold {window} of a code with {granules}")
    return slice(start, stop)


def _cut(value: NDArray[np.generic] | int, part: slice) -> NDArray[np.generic] | int:
    return value if isinstance(value, int) else value[part]
