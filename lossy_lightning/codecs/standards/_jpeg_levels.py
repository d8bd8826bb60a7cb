"""Levels of many files, multiplied and measured where they lie."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from lossy_lightning.bitstream._bits import at_address
from lossy_lightning.bitstream.compile import entry, kernel
from lossy_lightning.bitstream.vectors import address_of, vectorized

_BLOCK = 128  # bytes of 64 levels


@entry
def finish(places, steps, ends, like):
    """Multiply levels by steps, and note the least and the greatest of each file.

    What is beyond int16 becomes the greatest or least value there is, which is still no level.

    Args:
        places: ``(files, components, 9)``, as of `read_places`.
        steps: ``(files, components, 64)``, int32; none if levels stay as they are.
        ends: ``(files, 2)``, int32; gets the least level and the greatest; without levels the first is greater.
        like: Any int16 array of one axis.
    """
    for i in range(len(places)):
        ends[i, 0], ends[i, 1] = 2**15 - 1, -(2**15)
        for c in range(places.shape[1]):
            address, row_bytes, column_bytes, rows, columns, v, h, _, _ = places[i, c]
            for y in range(rows):
                for x in range(columns):
                    first = address + y * row_bytes + x * column_bytes
                    for inner in range(v * h):
                        if len(steps) > 0:
                            _scale(first + _BLOCK * inner, address_of(steps[i, c]))
                        _measure(at_address(like, np.uint64(first + _BLOCK * inner)), ends[i])


@vectorized
def _scale(memory, block, steps):
    """Multiply the 64 levels at an address by steps at another; what is beyond int16 is clipped."""
    for i in range(8):
        levels = memory.load(memory.at(block, 16 * i), 8, 16) * memory.load(memory.at(steps, 32 * i), 8, 32)
        memory.store(levels.clip(-(2**15), 2**15 - 1), memory.at(block, 16 * i), 16)


@kernel
def _measure(block, ends):
    least, greatest = block[0], block[0]
    for k in range(1, 64):
        least, greatest = min(least, block[k]), max(greatest, block[k])
    ends[0], ends[1] = min(ends[0], np.int32(least)), max(ends[1], np.int32(greatest))
