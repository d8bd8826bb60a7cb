"""Constants of products in the order that their kernels read them in."""

import numpy as np


def in_tiles(rows: np.ndarray, tiles: tuple[int, ...]) -> np.ndarray:
    """Weights ``(inputs, outputs)`` flat in tiles of outputs, each the widest that fits."""
    parts, at, outputs = [], 0, rows.shape[1]
    while at < outputs:
        tile = next(tile for tile in tiles if at + tile <= outputs)
        parts.append(rows[:, at : at + tile].ravel())
        at += tile
    return np.concatenate(parts)


def side_by_side(rows: np.ndarray, span: int) -> np.ndarray:
    """Words ``(outputs, taps)`` of few bits, several in one: ``(outputs, fewer)``."""
    each = 64 // span
    made = np.zeros((len(rows), -(-rows.shape[1] // each)), np.uint64)
    for tap in range(rows.shape[1]):
        made[:, tap // each] |= rows[:, tap] << np.uint64(tap % each * span)
    return made


def read_at(seen: np.ndarray, source: int, width: int, zeros: int) -> np.ndarray:
    """Where each position that is seen begins; zeros stand for those off the grid, which are -1."""
    return np.where(seen >= 0, source + seen.astype(np.int64) * width, zeros)


def limits(thresholds: np.ndarray | None, off: np.ndarray, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds of sums in which the padding of zeros counts as -1.

    Args:
        thresholds: Of the sums themselves ``(positions or 1, outputs)``; None stands for 0.
        off: Which taps of each position lie off the grid.
        signs: Of the weights ``(outputs, taps, channels)``, True for +1.

    Returns:
        Rows ``(rows, outputs)``, and which of them each position has.
    """
    patterns, row = np.unique(off, axis=0, return_inverse=True)
    row = row.ravel()
    of_padding = patterns.astype(np.int64) @ (2 * signs.sum(2, dtype=np.int64) - signs.shape[2]).T
    if thresholds is None or len(thresholds) == 1:
        return (0 if thresholds is None else thresholds.astype(np.int64)) - of_padding, row
    return thresholds.astype(np.int64) - of_padding[row], np.arange(len(row))


def apart(tables: np.ndarray, starts: np.ndarray, sizes: np.ndarray, lows: np.ndarray, shifts: np.ndarray) -> int:
    """Bits from one code to the next, if words hold all codes side by side as they are, less the least; else 0.

    Args:
        tables: What becomes of codes, all in one.
        starts: Where each code's table begins.
        sizes: Values of each code.
        lows: The least of each.
        shifts: Bit of its word that each code begins at.
    """
    if len(set(zip(starts.tolist(), sizes.tolist(), lows.tolist(), strict=True))) > 1:
        return 0
    if not np.array_equal(tables[starts[0] : starts[0] + sizes[0]], np.arange(sizes[0])):
        return 0
    bits = int(shifts[1]) if len(shifts) > 1 and shifts[1] else int(sizes[0] - 1).bit_length()
    follows = np.where(shifts[1:] == 0, 0, shifts[:-1] + bits)
    return bits if shifts[0] == 0 and np.array_equal(shifts[1:], follows) else 0
