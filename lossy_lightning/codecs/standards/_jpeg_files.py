"""JPEG files to rows of codes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.bitstream.jpeg import BlockWindow, JPEGHeader, read_headers, read_windows
from lossy_lightning.codecs.standards._jpeg_layout import JPEGLayout
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


class _Job(NamedTuple):
    """Where a file goes.

    Attributes:
        units: ``(rows, columns, channels)``, what is to hold the code.
        windows: Of each component, in ``units`` or in a plane.
        planes: Chroma of another sampling than the codec's, by component.
    """

    units: NDArray[np.int16]
    windows: list[BlockWindow]
    planes: dict[int, ChromaPlane]


def measure(layout: JPEGLayout, files: Sequence[bytes]) -> list[FileInfo | ValueError]:
    """What the headers say of files that the codec can read, however large; what is wrong with the others."""
    found: list[FileInfo | ValueError] = []
    # How long the data are is seen when they are read.
    for header in read_headers(files, max_pixels=2**32, on_truncation="fill"):
        try:
            fine = _checked(layout, header)
            shape = len(fine.grids), fine.height, fine.width
            found.append(FileInfo(shape, _grid(layout, *shape)))
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
        exact: Whether levels beyond the codec's are an error. They are cut to its range otherwise, for they are seen in
            the window only, and a file must not be good or bad by its window.
    """
    result: list[ValueError | None] = [None] * len(files)
    jobs: dict[int, _Job] = {}
    for i, header in enumerate(read_headers(files, on_truncation="fill" if lenient else "error")):
        try:
            jobs[i] = _job(layout, _checked(layout, header), rows[i], None if windows is None else windows[i])
        except ValueError as error:
            result[i] = error
    found = read_windows(
        [files[i] for i in jobs],
        [job.windows for job in jobs.values()],
        num_threads,
        on_truncation="fill" if lenient else "error",
    )
    tables, fits = None, False
    for (i, job), header in zip(jobs.items(), found, strict=True):
        try:
            if isinstance(header, ValueError):
                raise header
            if header.quantization_tables is not tables:  # consecutive files may share them
                tables = header.quantization_tables
                fits = layout.has_tables(tables)
            _finish(layout, header, job, fits, exact)
        except ValueError as error:
            result[i] = error
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
    units: NDArray[np.int16] = row.movedim(0, -1).numpy()
    components = 1 if len(row) == layout.num_channels(1) else 3
    if len(row) != layout.num_channels(components) or components < len(header.grids):
        raise InputError(
            f"a row of {len(row)} channels is not for the code of a {header.color_space} file; it has "
            f"{layout.num_channels(len(header.grids))}"
        )
    top, left = _start(_grid(layout, components, header.height, header.width), units.shape[:2], window)
    h, v = layout.factors_of(components)
    first = 64 * h * v
    windows = [BlockWindow(units[..., :first], top * v, left * h, (v, h))]
    planes: dict[int, ChromaPlane] = {}
    have = ratios(header.sampling_factors)  # none of a grey file, which lacks chroma, and gets zeros
    for i in range(1, components):
        out = units[..., first + 64 * (i - 1) : first + 64 * i]
        windows.append(BlockWindow(out, top, left))
        if have and have[i - 1] != (h, v):
            planes[i] = chroma_plane(header, i, (h, v), out, (top, left))
            windows[i] = planes[i].window
    return _Job(units, windows, planes)


def _start(grid: tuple[int, int], size: tuple[int, ...], window: Sequence[slice] | None) -> tuple[int, int]:
    """First row and column of a window, which must be as large as its row."""
    window = (slice(None), slice(None)) if window is None else window
    (top, bottom, down), (left, right, across) = (part.indices(total) for part, total in zip(window, grid, strict=True))
    if (bottom - top, right - left) != size or (down, across) != (1, 1):
        raise InputError(
            f"a row for {size[0]} x {size[1]} MCUs cannot hold {window} of a code with {grid[0]} x {grid[1]}"
        )
    return top, left


def _finish(layout: JPEGLayout, header: JPEGHeader, job: _Job, fits: bool, exact: bool) -> None:
    """Bring levels as they stand in a file to the codec's.

    Args:
        layout: What the codec's codes hold.
        header: Of the file.
        job: Its levels.
        fits: Whether its tables are the codec's.
        exact: As of `read_rows`.

    Raises:
        ValueError: If the file's tables or levels are not for the codec.
    """
    count = len(job.windows)
    own = layout.tables[:count]
    tables = list(own)  # chroma of zeros, in a grey file, has the codec's
    if not fits or job.planes:
        _check_tables(layout, header, fits)
        tables[: len(header.grids)] = (torch.from_numpy(table.astype(np.int32)) for table in header.quantization_tables)
        for i, plane in job.planes.items():
            resample(plane, tables[i])
            tables[i] = torch.ones(8, 8, dtype=torch.int32)
        if layout.requantize:
            for part, theirs, mine in zip(_parts(layout, job), tables, own, strict=True):
                _write(part, round_divide(part * theirs, mine))
            tables = list(own)
    if layout.dequantize:
        for part, table in zip(_parts(layout, job), tables, strict=True):
            _write(part, part * table)
    if layout.carried:
        job.units[..., layout.num_levels(count) :] = _carried(tables).numpy()
    _bound(layout, job.units[..., : layout.num_levels(count)], exact)


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


def _parts(layout: JPEGLayout, job: _Job) -> list[Tensor]:
    """Blocks ``(rows, columns, blocks, 8, 8)`` of each component in a code."""
    count = len(job.windows)
    blocks = torch.unflatten(torch.from_numpy(job.units[..., : layout.num_levels(count)]), -1, (-1, 8, 8))
    return list(torch.split(blocks, [blocks.shape[2] - count + 1, *[1] * (count - 1)], 2))


def _write(part: Tensor, values: Tensor) -> None:
    """Put values into a code; what is beyond int16 becomes the greatest or least value, which is still no level."""
    part.copy_(values.clamp(-(2**15), 2**15 - 1))


def _carried(tables: list[Tensor]) -> Tensor:
    values = torch.stack(tables).flatten()
    if values.min() < 1 or values.max() > 255:
        raise InputError("codes carry quantization tables of 1 to 255; this file's leave that: use dequantize=True")
    return values


def _bound(layout: JPEGLayout, levels: NDArray[np.int16], exact: bool) -> None:
    """Cut levels to those of the codec, or raise an error if they are beyond."""
    limit, (least, greatest) = layout.limit, (int(levels.min()), int(levels.max()))
    if least >= -limit and greatest < limit:
        return
    if exact:
        raise InputError(
            f"levels of this codec range from {-limit} to {limit - 1}; the file has {least} to {greatest}, beyond "
            "what encoders of 8-bit images make: leave it out, or decode the file and encode its pixels"
        )
    np.clip(levels, -limit, limit - 1, out=levels)
