"""Packed integers against a plain sum of shifted values."""

import numpy as np
import pytest

from lossy_lightning.bitstream.packed import Channels, bits_of, pack, unpack


def channels(widths, lows, once=None, escapes=None, absent=None):
    count = len(widths)
    once, escapes, absent = once or [False] * count, escapes or [-1] * count, absent or [0] * count
    return Channels(*(np.array(each) for each in (widths, lows, once, escapes, absent)))


def plain(codes, widths, lows):
    """The same bits by Python's integers."""
    total, place = 0, 0
    for code in codes:
        for row, width, low in zip(code, widths, lows, strict=True):
            for value in row:
                total |= (int(value) - low) << place
                place += width
    return total.to_bytes(-(-place // 8), "little")


@pytest.mark.parametrize("widths", [[4], [1, 11, 3], [8, 8], [0, 5], [56, 7]])
def test_bits_are_those_of_plain_integers(widths):
    generator, lows = np.random.default_rng(0), [-3 * width for width in widths]
    codes = [
        np.array([generator.integers(0, 1 << width, count) + low for width, low in zip(widths, lows, strict=True)])
        for count in (3, 1, 5)
    ]
    sizes = np.array([code.shape[1] for code in codes])
    told = channels(widths, lows)
    data = pack(np.concatenate([code.ravel() for code in codes]), sizes, told)
    assert data.tobytes() == plain(codes, widths, lows)
    starts = np.cumsum(bits_of(told, sizes)) - bits_of(told, sizes)
    for i in (2, 0, 1):  # any of them alone
        out = np.zeros(codes[i].size, np.int64)
        unpack(data, starts[i : i + 1], sizes[i : i + 1], told, out, np.array([0]))
        assert np.array_equal(out, codes[i].ravel())


def test_constant_channels_are_stored_once():
    told = channels([4, 4], [0, 0], once=[True, False])
    values = np.array([7, 7, 7, 1, 2, 3])
    data = pack(values, np.array([3]), told)
    assert data.nbytes == 2
    out = unpack(data, np.array([0]), np.array([3]), told, np.empty(6, np.uint8), np.array([0]))
    assert out.tolist() == values.tolist()


def test_absent_values_are_escaped():
    told = channels([2, 0], [0, -1], escapes=[3, -1], absent=[-1, 0])
    values = np.array([2, -1, 0, -1, -1, -1])
    out = unpack(
        pack(values, np.array([3]), told), np.array([0]), np.array([3]), told, np.empty(6, np.int8), np.array([0])
    )
    assert out.tolist() == values.tolist()
