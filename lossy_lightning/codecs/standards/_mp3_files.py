"""MP3 files to rows of codes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.bitstream.mp3 import MP3Frames, MP3Header, read_headers, read_windows
from lossy_lightning.codecs.standards._mp3_layout import MP3Layout
from lossy_lightning.core import FileInfo, InputError


class _Filled(NamedTuple):
    """What fills a row: frames, and which of their granules."""

    frames: MP3Frames
    part: slice
    row: Tensor


def measure(layout: MP3Layout, files: Sequence[bytes], lenient: bool) -> list[FileInfo | ValueError]:
    """Sound and grid of files that the codec can read, as their headers say; what is wrong with the others."""
    found: list[FileInfo | ValueError] = []
    for header in read_headers(files, lenient):
        try:
            fine = _checked(layout, header)
            granules = fine.num_frames * layout.granules_a_frame
            found.append(FileInfo((layout.channels, layout.samples(granules, fine.delay, fine.padding)), (granules,)))
        except ValueError as error:
            found.append(error)
    return found


def read_rows(
    layout: MP3Layout,
    files: Sequence[bytes],
    rows: Sequence[Tensor],
    windows: Sequence[Sequence[slice]] | None,
    lenient: bool,
    num_threads: int,
) -> list[ValueError | None]:
    """Do what `FileCodec.read_into` says."""
    result: list[ValueError | None] = [None] * len(files)
    parts: dict[int, slice] = {}
    for i, header in enumerate(read_headers(files, lenient)):
        try:
            granules = _checked(layout, header).num_frames * layout.granules_a_frame
            parts[i] = _part(granules, rows[i].shape[1], None if windows is None else windows[i])
        except ValueError as error:
            result[i] = error
    a_frame = layout.granules_a_frame
    wanted = [(part.start // a_frame, -(-part.stop // a_frame) - part.start // a_frame) for part in parts.values()]
    read = read_windows([files[i] for i in parts], wanted, num_threads, lenient)
    good: list[_Filled] = []
    for (i, part), frames in zip(parts.items(), read, strict=True):
        first, length = part.start % a_frame, part.stop - part.start
        if isinstance(frames, ValueError):
            result[i] = frames
        elif len(frames.levels) <= first:
            result[i] = ValueError(f"its frames are bad: {frames.left_out} are left out")
        else:
            # In place of bad frames, which are left out, silence stands at the end.
            last = min(first + length, len(frames.levels))
            rows[i][:, last - first :] = 0
            good.append(_Filled(frames, slice(first, last), rows[i][:, : last - first]))
    if good:
        _fill(layout, good)
    return result


def _checked(layout: MP3Layout, header: MP3Header | ValueError) -> MP3Header:
    """The header of a file that the codec can hold."""
    if isinstance(header, ValueError):
        raise header
    if (header.sample_rate, header.channels) != (layout.sample_rate, layout.channels):
        raise InputError(
            f"the file has {header.channels} channels at {header.sample_rate} Hz, this codec {layout.channels} at "
            f"{layout.sample_rate} Hz: use a codec of the file's, or decode the file and resample its sound"
        )
    if not header.num_frames:
        raise InputError("the file has no frame of sound")
    return header


def _part(granules: int, length: int, window: Sequence[slice] | None) -> slice:
    """The granules of a window, which must be as many as its row has."""
    start, stop, step = slice(None).indices(granules) if window is None else window[0].indices(granules)
    if (stop - start, step) != (length, 1):
        raise InputError(f"a row for {length} granules cannot hold {window} of a code with {granules}")
    return slice(start, stop)


def _fill(layout: MP3Layout, files: list[_Filled]) -> None:
    """Put granules of files into their rows; of several together, for each call costs as much as some granules."""
    if len(files) == 1:
        ((frames, part, row),) = files
        values = {name: value if isinstance(value, int) else value[part] for name, value in frames.tensors().items()}
        layout.fill(row.mT.numpy(), values)
        return
    found = [file.frames for file in files]
    joined = MP3Frames(
        layout.sample_rate,
        np.concatenate([frames.levels for frames in found]),
        _joined([frames.granules for frames in found]),
        _joined([frames.frames for frames in found]),
    )
    units = np.empty((len(joined.levels), layout.num_channels), np.int16)
    layout.fill(units, joined.tensors())
    start = 0
    for frames, part, row in files:
        row.mT.numpy()[:] = units[start + part.start : start + part.stop]
        start += len(frames.levels)


def _joined(records: list[NDArray[np.void]]) -> NDArray[np.void]:
    """Records one after another, as bytes: NumPy would compare all their fields."""
    content = np.dtype((np.void, records[0].itemsize))
    joined: NDArray[np.void] = np.concatenate([part.view(content) for part in records]).view(records[0].dtype)
    return joined
