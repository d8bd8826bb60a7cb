"""JPEG files to rows of codes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.bitstream.jpeg import NO_WINDOW, JPEGHeader, place_of, read_headers, read_places
from lossy_lightning.codecs.standards._jpeg_layout import JPEGLayout
from lossy_lightning.codecs.standards._jpeg_levels import finish
from lossy_lightning.codecs.standards._subsampling import (
    ChromaPlane,
    check_ratios,
    chroma_plane,
    ratios,
    resample,
    subsampling_of,
)
from lossy_lightning.core import FileInfo, InputError
from lossy_lightning.functional import round_divide

_BLOCK = 128  # bytes of 64 levels
_Tables = Sequence[NDArray[np.int32]]


class MeasuredFile(FileInfo):
    """What the headers of a file say, with the header that said so.

    Attributes:
        header: Of a file that the codec can read.
    """

    header: JPEGHeader


class _Job(NamedTuple):
    """Where a file goes.

    Attributes:
        row: ``(channels, rows, columns)``, what is to hold the code.
        start: Row and column of the first MCU.
        planes: Chroma of another sampling than the codec's, by component.
    """

    row: Tensor
    start: tuple[int, int]
    planes: dict[int, ChromaPlane]


def measure(layout: JPEGLayout, files: Sequence[bytes]) -> list[FileInfo | ValueError]:
    """What the headers say of files that the codec can read, however large; what is wrong with the others."""
    found: list[FileInfo | ValueError] = []
    # How long the data are is seen when they are read.
    for header in read_headers(files, max_pixels=2**32, on_truncation="fill"):
        try:
            fine = _checked(layout, header)
            shape = len(fine.grids), fine.height, fine.width
            info = MeasuredFile(shape, _grid(layout, *shape))
            info.header = fine
            found.append(info)
        except ValueError as error:
            found.append(error)
    return found


def read_rows(
    layout: JPEGLayout,
    files: Sequence[bytes],
    rows: Sequence[Tensor],
    windows: Sequence[Sequence[slice]] | None,
    lenient: bool,
    num_threads: int,
    infos: Sequence[FileInfo] | None,
    exact: bool = False,
) -> list[ValueError | None]:
    """Do what `FileCodec.read_into` says.

    Args:
        layout: What the codec's codes hold.
        files: The files' bytes.
        rows: What is to hold the codes.
        windows: Parts of the grids.
        lenient: Whether files that are cut off are filled up.
        num_threads: Number of threads.
        infos: What `measure` said; None if it was not asked.
        exact: Whether levels beyond the codec's are an error. They are cut to its range otherwise, for they are seen in
            the window only, and a file must not be good or bad by its window.
    """
    result: list[ValueError | None] = [None] * len(files)
    jobs: dict[int, _Job] = {}
    for i, info in enumerate(measure(layout, files) if infos is None else infos):
        try:
            if not isinstance(info, MeasuredFile):
                raise info if isinstance(info, ValueError) else TypeError(f"{info} is not what this codec measured")
            jobs[i] = _job(layout, info.header, rows[i], None if windows is None else windows[i])
        except ValueError as error:
            result[i] = error
    places = _places(layout, list(jobs.values()))
    aims = places.copy()
    for n, job in enumerate(jobs.values()):
        for component, plane in job.planes.items():
            aims[n, component] = place_of(plane.window)
    contents = [files[i] for i in jobs]
    found = read_places(contents, aims, num_threads, on_truncation="fill" if lenient else "error")
    for i, wrong in zip(jobs, _finish(layout, list(jobs.values()), found, places, exact), strict=True):
        result[i] = wrong
    return result


def _grid(layout: JPEGLayout, components: int, height: int, width: int) -> tuple[int, int]:
    h, v = layout.factors_of(components)
    return -(-height // (8 * v)), -(-width // (8 * h))


def _checked(layout: JPEGLayout, header: JPEGHeader | ValueError) -> JPEGHeader:
    """The header of a file whose components the codec can hold."""
    if isinstance(header, ValueError):
        raise header
    if header.precision != 8 or header.color_space not in ("grey", "YCbCr"):
        raise InputError(
            f"JPEG holds 8-bit grey or YCbCr files; got {header.precision}-bit {header.color_space}: decode the file "
            "and encode its pixels"
        )
    check_ratios(header.sampling_factors, layout.factors)
    return header


def _job(layout: JPEGLayout, header: JPEGHeader, row: Tensor, window: Sequence[slice] | None) -> _Job:
    channels, *size = row.shape
    components = layout.components_of(channels)
    if channels != layout.num_channels(components) or components < len(header.grids):
        raise InputError(
            f"a row of {channels} channels is not for the code of a {header.color_space} file; it has "
            f"{layout.num_channels(len(header.grids))}"
        )
    if row.dtype != torch.int16 or row.stride(0) != 1 or row.device.type != "cpu":
        raise InputError(f"a row is int16 in memory, channels last; got {row.dtype} of strides {row.stride()}")
    start = _start(_grid(layout, components, header.height, header.width), size, window)
    planes: dict[int, ChromaPlane] = {}
    factors = layout.factors_of(components)
    for c, have in enumerate(ratios(header.sampling_factors), 1):  # none of a grey file, which lacks chroma
        if have != factors:
            first = layout.num_levels(components) - 64 * (components - c)
            out = row.movedim(0, -1).numpy()[..., first : first + 64]
            planes[c] = chroma_plane(header, c, factors, out, start)
    return _Job(row, start, planes)


def _places(layout: JPEGLayout, jobs: Sequence[_Job]) -> NDArray[np.int64]:
    """Where the blocks of each component go, as `read_places` takes it."""
    places = np.empty((len(jobs), 4, len(NO_WINDOW)), np.int64)
    places[:] = NO_WINDOW
    if not jobs:
        return places
    numbers = [(*job.row.shape, job.row.data_ptr(), *job.row.stride()[1:], *job.start) for job in jobs]
    channels, rows, columns, address, down, across, top, left = np.array(numbers, np.int64).T
    for components in (1, 3):
        of = channels == layout.num_channels(components)
        h, v = layout.factors_of(components)
        for c, (first, y, x) in enumerate([(0, v, h), (h * v, 1, 1), (h * v + 1, 1, 1)][:components]):
            same = np.full_like(rows, 1)
            where = (address + _BLOCK * first, 2 * down, 2 * across, rows, columns, y * same, x * same)
            places[of, c] = np.stack([*where, top * y, left * x], 1)[of]
    return places


def _start(grid: tuple[int, int], size: Sequence[int], window: Sequence[slice] | None) -> tuple[int, int]:
    """First row and column of a window, which must be as large as its row."""
    down, across = (slice(None), slice(None)) if window is None else window
    (top, bottom, row_step), (left, right, column_step) = down.indices(grid[0]), across.indices(grid[1])
    if bottom - top != size[0] or right - left != size[1] or row_step != 1 or column_step != 1:
        raise InputError(
            f"a row for {size[0]} x {size[1]} MCUs cannot hold {window} of a code with {grid[0]} x {grid[1]}"
        )
    return top, left


def _finish(
    layout: JPEGLayout,
    jobs: Sequence[_Job],
    found: Sequence[JPEGHeader | ValueError],
    places: NDArray[np.int64],
    exact: bool,
) -> list[ValueError | None]:
    """Bring levels as they stand in files to the codec's.

    Args:
        layout: What the codec's codes hold.
        jobs: Where the files went.
        found: Header of each, or what is wrong with it.
        places: Where the levels are.
        exact: As of `read_rows`.

    Returns:
        For each file None, or what is wrong with it.
    """
    own = [table.numpy() for table in layout.tables]
    steps = np.ones((len(jobs) if layout.dequantize else 0, 4, 64), np.int32)
    result: list[ValueError | None] = [None] * len(jobs)
    tables, fits = None, False
    for n, (header, job) in enumerate(zip(found, jobs, strict=True)):
        try:
            if isinstance(header, ValueError):
                raise header
            if header.quantization_tables is not tables:  # consecutive files may share them
                tables = header.quantization_tables
                fits = layout.has_tables(tables)
            used = own if fits and not job.planes else _brought(layout, header, job, fits, own)
            if layout.dequantize:
                for c, table in enumerate(used):
                    steps[n, c] = table.ravel()
            if layout.carried:
                _carry(layout, job, used)
        except ValueError as error:
            result[n] = error
            places[n] = NO_WINDOW
    ends = np.empty((len(jobs), 2), np.int32)
    finish(places, steps, ends, np.empty(1, np.int16))
    limit = layout.limit
    for n in ((ends[:, 0] < -limit) | (ends[:, 1] >= limit)).nonzero()[0].tolist():
        if exact:
            result[n] = InputError(
                f"levels of this codec range from {-limit} to {limit - 1}; the file has {ends[n, 0]} to {ends[n, 1]}, "
                "beyond what encoders of 8-bit images make: leave it out, or decode the file and encode its pixels"
            )
        else:
            _levels(layout, jobs[n]).clamp_(-limit, limit - 1)
    return result


def _brought(layout: JPEGLayout, header: JPEGHeader, job: _Job, fits: bool, own: _Tables) -> _Tables:
    """Bring a file of other tables or chroma as near to the codec's as that wants; the tables that its levels have."""
    _check_tables(layout, header, fits)
    tables = [table.astype(np.int32) for table in header.quantization_tables]
    tables += own[len(tables) :]  # chroma of zeros, in a grey file, has the codec's
    for c, plane in job.planes.items():
        resample(plane, tables[c])
        tables[c] = np.ones((8, 8), np.int32)
    if not layout.requantize:
        return tables
    for part, theirs, mine in zip(_parts(layout, job), tables, own, strict=False):
        levels = round_divide(part * torch.from_numpy(theirs), torch.from_numpy(mine))
        part.copy_(levels.clamp(-(2**15), 2**15 - 1))  # what is beyond int16 is still no level
    return own


def _check_tables(layout: JPEGLayout, header: JPEGHeader, fits: bool) -> None:
    """Check that a codec takes other tables than its own, which chroma has that was resampled."""
    if layout.dequantize or layout.carried or layout.requantize:
        return
    if not fits:
        raise InputError(
            f"the file's quantization tables are not those of {layout.codec}: use a codec of the file's tables, or let "
            "files differ by dequantize=True or tables=True, or bring them to this codec's by requantize=True"
        )
    have = subsampling_of(header.sampling_factors)
    raise InputError(
        f"the file has chroma subsampling {have}, this codec {layout.chroma_subsampling}, and chroma that is brought "
        "to it is no multiple of its quantization table any more: use requantize=True, dequantize=True or "
        "tables=True, or a codec of the file's subsampling"
    )


def _levels(layout: JPEGLayout, job: _Job) -> Tensor:
    """Levels ``(rows, columns, channels)`` in a row."""
    components = layout.components_of(len(job.row))
    return job.row[: layout.num_levels(components)].movedim(0, -1)


def _parts(layout: JPEGLayout, job: _Job) -> list[Tensor]:
    """Blocks ``(rows, columns, blocks, 8, 8)`` of each component in a row."""
    blocks = torch.unflatten(_levels(layout, job), -1, (-1, 8, 8))
    count = layout.components_of(len(job.row))
    return list(torch.split(blocks, [blocks.shape[2] - count + 1, *[1] * (count - 1)], 2))


def _carry(layout: JPEGLayout, job: _Job, tables: _Tables) -> None:
    """Write the tables behind the levels."""
    components = layout.components_of(len(job.row))
    values = np.stack(tables[:components])
    if values.min() < 1 or values.max() > 255:
        raise InputError("codes carry quantization tables of 1 to 255; this file's leave that: use dequantize=True")
    job.row[layout.num_levels(components) :] = torch.from_numpy(values.reshape(-1, 1, 1))
