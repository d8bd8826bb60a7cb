"""Wavelet packets: low and high frequencies are both split again, so that all bands have one resolution."""

from functools import cache

import torch
from torch import Tensor

from lossy_lightning.functional.transforms.wavelet import _merge, _split

# The filters of one level reach 4 samples, so those of all levels together less than 4 positions.
_MARGIN = 4
_WINDOW = 4 * _MARGIN
_LEVELS_AT_ONCE = 3


def wavelet_packet(signal: Tensor, levels: int, axes: int) -> Tensor:
    """Bands of a signal by JPEG 2000's 9/7 filters: ``(..., C, *size)`` to ``(..., C * 2**(levels * axes), *grid)``.

    Edges are extended symmetrically. The filters are scaled such that bands have nearly the signal's energy together.
    Several levels along an axis are one band matrix, whose product is faster than lifting step by step.

    Args:
        signal: Of floats; sizes are multiples of ``2**levels``.
        levels: How often bands are split, 1 or more.
        axes: 1 for sounds, 2 for images.

    Returns:
        Channel after channel its bands, of images those of all horizontal frequencies for each vertical one; a band's
        number has a binary digit a level, 1 for the high frequencies, the first split first.

    Raises:
        ValueError: If a size is no multiple of ``2**levels``.

    Source:
        Coifman and Wickerhauser, Entropy-based algorithms for best basis selection, IEEE Transactions on Information
        Theory 38, 1992; filters of ITU-T T.800 (2019), annex F.

    Example:
        >>> wavelet_packet(torch.ones(3, 32, 48), levels=3, axes=2).shape
        torch.Size([192, 4, 6])
    """
    grid = [size >> levels for size in signal.shape[-axes:]]
    if tuple(size << levels for size in grid) != tuple(signal.shape[-axes:]) or min(grid) < 1:
        raise ValueError(
            f"{levels} levels split sizes that are multiples of {2**levels}; got {tuple(signal.shape[-axes:])}: pad "
            "the signal"
        )
    bands = _analysed(signal, levels, -1)
    if axes == 2:  # (..., C, vertical bands, rows, horizontal bands, columns)
        bands = _analysed(bands.flatten(-2), levels, -2)
        bands = torch.unflatten(bands, -1, (1 << levels, grid[1])).movedim(-2, -3).flatten(-4, -3)
    return bands.flatten(-axes - 2, -axes - 1)


def inverse_wavelet_packet(bands: Tensor, levels: int, axes: int) -> Tensor:
    """Signal ``(..., C, *size)`` of its bands, the inverse of `wavelet_packet`.

    Raises:
        ValueError: If the bands are not those of whole channels.

    Example:
        >>> sound = torch.randn(2, 1, 64)
        >>> again = inverse_wavelet_packet(wavelet_packet(sound, levels=5, axes=1), levels=5, axes=1)
        >>> torch.allclose(again, sound, atol=1e-5)
        True
    """
    count = 1 << levels * axes
    if bands.shape[-axes - 1] % count:
        raise ValueError(f"{levels} levels make {count} bands of each channel; got {bands.shape[-axes - 1]} in all")
    grid = bands.shape[-axes:]
    if axes == 2:
        bands = torch.unflatten(bands, -3, (-1, 1 << levels, 1 << levels)).movedim(-3, -2).flatten(-2)
        bands = torch.unflatten(_synthesized(bands, levels, -2), -1, (1 << levels, grid[1]))
    else:
        bands = torch.unflatten(bands, -2, (-1, count))
    return _synthesized(bands, levels, -1)


def _analysed(x: Tensor, levels: int, axis: int) -> Tensor:
    """Size ``n`` of an axis, -1 or -2, to bands and positions, ``(2**levels, n >> levels)``."""
    if levels > _LEVELS_AT_ONCE:
        coarse = _analysed(x, _LEVELS_AT_ONCE, axis)
        return _analysed(coarse, levels - _LEVELS_AT_ONCE, axis).flatten(axis - 2, axis - 1)
    bands = 1 << levels
    positions = x.shape[axis] >> levels
    parts = []
    for start, size, low, high in _windows(positions):
        matrix = _matrix(size, levels)[:, low:high].flatten(0, 1)
        part = _product(matrix, x.narrow(axis, start * bands, size * bands), axis)
        parts.append(torch.unflatten(part, axis, (bands, high - low)))
    return torch.cat(parts, axis)


def _synthesized(x: Tensor, levels: int, axis: int) -> Tensor:
    """The inverse of `_analysed`."""
    if levels > _LEVELS_AT_ONCE:
        rest = levels - _LEVELS_AT_ONCE
        coarse = _synthesized(torch.unflatten(x, axis - 1, (1 << _LEVELS_AT_ONCE, 1 << rest)), rest, axis)
        return _synthesized(coarse, _LEVELS_AT_ONCE, axis)
    bands = 1 << levels
    parts = []
    for start, size, low, high in _windows(x.shape[axis]):
        matrix = _inverse_matrix(size, levels)[low * bands : high * bands]
        parts.append(_product(matrix, x.narrow(axis, start, size).flatten(axis - 1, axis), axis))
    return torch.cat(parts, axis)


def _windows(positions: int) -> list[tuple[int, int, int, int]]:
    """Start and size of windows that overlap, and from where to where in them no edge but the signal's is felt."""
    if positions <= _WINDOW:
        return [(0, positions, 0, positions)]
    last = positions - _WINDOW
    windows, done = [], 0
    for start in [*range(0, last, _WINDOW - 2 * _MARGIN), last]:
        end = positions if start == last else start + _WINDOW - _MARGIN
        windows.append((start, _WINDOW, done - start, end - start))
        done = end
    return windows


def _product(matrix: Tensor, x: Tensor, axis: int) -> Tensor:
    matrix = matrix.to(x)
    return x @ matrix.T if axis == -1 else matrix @ x


@cache
def _matrix(positions: int, levels: int) -> Tensor:
    """``(bands, positions, samples)`` float64: what the samples of a short signal give to each band."""
    x = torch.eye(positions << levels, dtype=torch.float64).unsqueeze(1)
    for _ in range(levels):
        low, high = _split(x, -1)
        x = torch.stack([low * 2**0.5, high / 2**0.5], -2).flatten(-3, -2)
    return x.movedim(0, -1).contiguous()


@cache
def _inverse_matrix(positions: int, levels: int) -> Tensor:
    """``(samples, bands * positions)`` float64."""
    count = positions << levels
    x = torch.eye(count, dtype=torch.float64).view(count, 1 << levels, positions)
    for _ in range(levels):
        low, high = torch.unflatten(x, -2, (-1, 2)).unbind(-2)
        x = _merge(low / 2**0.5, high * 2**0.5, -1)
    return x.flatten(1).T.contiguous()
