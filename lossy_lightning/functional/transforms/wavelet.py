"""Wavelet transforms of images by lifting, those of JPEG 2000."""

from typing import NamedTuple

import torch
from torch import Tensor

# T.800, table F.4: the lifting parameters of the irreversible transform, and its scaling factor.
_ALPHA, _BETA, _GAMMA, _DELTA = -1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971
_K = 1.230174104914001


class Subbands(NamedTuple):
    """Half-size images of one level of a wavelet transform, ``(..., H, W)``.

    Attributes:
        hl: Horizontally high, vertically low frequencies: ``(..., ceil(H / 2), floor(W / 2))``.
        lh: Horizontally low, vertically high: ``(..., floor(H / 2), ceil(W / 2))``.
        hh: High in both: ``(..., floor(H / 2), floor(W / 2))``.
    """

    hl: Tensor
    lh: Tensor
    hh: Tensor


def wavelet(image: Tensor, levels: int) -> tuple[Tensor, list[Subbands]]:
    """Subbands of an image: those of the reversible 5/3 filter if it is of integers, of the 9/7 filter if of floats.

    Edges are extended symmetrically, so that there are as many coefficients as samples, whatever the size. Low
    frequencies keep their size (gain 1), high ones are doubled, as in the standard. Float images are differentiated
    through.

    Args:
        image: ``(..., H, W)``; integers need two bits more than the samples have.
        levels: How often the low frequencies are split again.

    Returns:
        The low frequencies ``(..., ceil(H / 2**levels), ceil(W / 2**levels))``, and the others, the finest first.

    Source: ITU-T T.800 (2019), annex F.

    Example:
        >>> low, details = wavelet(torch.arange(20).view(4, 5), levels=1)
        >>> low
        tensor([[ 0,  2,  4],
                [11, 13, 15]])
        >>> [tuple(band.shape) for band in details[0]]
        [(2, 2), (2, 3), (2, 2)]
    """
    details = []
    for _ in range(levels):
        low, high = _split(image, -2)
        image, hl = _split(low, -1)
        lh, hh = _split(high, -1)
        details.append(Subbands(hl, lh, hh))
    return image, details


def inverse_wavelet(low: Tensor, details: list[Subbands]) -> Tensor:
    """Image ``(..., H, W)`` of its subbands, the inverse of `wavelet`; exact if they are integers.

    Example:
        >>> image = torch.randint(256, (3, 7, 9))
        >>> torch.equal(inverse_wavelet(*wavelet(image, levels=2)), image)
        True
    """
    for bands in reversed(details):
        low = _merge(_merge(low, bands.hl, -1), _merge(bands.lh, bands.hh, -1), -2)
    return low


def _split(signal: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Low and high frequencies along an axis."""
    even, odd = _every_second(signal, axis, 0), _every_second(signal, axis, 1)
    if signal.shape[axis] == 1:
        return even, odd
    if not signal.is_floating_point():
        odd = odd - (_after(even, odd, axis) >> 1)
        return even + ((_before(odd, even, axis) + 2) >> 2), odd
    odd = torch.add(odd, _after(even, odd, axis), alpha=_ALPHA)
    even = torch.add(even, _before(odd, even, axis), alpha=_BETA)
    odd = torch.add(odd, _after(even, odd, axis), alpha=_GAMMA)
    even = torch.add(even, _before(odd, even, axis), alpha=_DELTA)
    return even / _K, odd * _K


def _merge(even: Tensor, odd: Tensor, axis: int) -> Tensor:
    """The signal of its low and high frequencies along an axis."""
    if even.shape[axis] + odd.shape[axis] == 1:
        return even
    if even.is_floating_point():
        even, odd = even * _K, odd / _K
        even = torch.sub(even, _before(odd, even, axis), alpha=_DELTA)
        odd = torch.sub(odd, _after(even, odd, axis), alpha=_GAMMA)
        even = torch.sub(even, _before(odd, even, axis), alpha=_BETA)
        odd = torch.sub(odd, _after(even, odd, axis), alpha=_ALPHA)
    else:
        even = even - ((_before(odd, even, axis) + 2) >> 2)
        odd = odd + (_after(even, odd, axis) >> 1)
    shape = list(even.shape)
    shape[axis] += odd.shape[axis]
    signal = even.new_empty(shape)
    _every_second(signal, axis, 0).copy_(even)
    _every_second(signal, axis, 1).copy_(odd)
    return signal


def _every_second(signal: Tensor, axis: int, start: int) -> Tensor:
    """A view of the even (0) or odd (1) samples along an axis."""
    return signal[..., start::2] if axis == -1 else signal[..., start::2, :]


def _after(even: Tensor, odd: Tensor, axis: int) -> Tensor:
    """For each odd sample, the sum of the even ones before and after it; the last one may be its own mirror."""
    inner, count = min(odd.shape[axis], even.shape[axis] - 1), odd.shape[axis]
    pairs = even.narrow(axis, 0, inner) + even.narrow(axis, 1, inner)
    return pairs if inner == count else torch.cat([pairs, 2 * even.narrow(axis, inner, 1)], axis)


def _before(odd: Tensor, even: Tensor, axis: int) -> Tensor:
    """For each even sample, the sum of the odd ones before and after it; those at the ends are their own mirrors."""
    inner, count = odd.shape[axis] - 1, even.shape[axis]
    pairs = odd.narrow(axis, 0, inner) + odd.narrow(axis, 1, inner)
    ends = [2 * odd.narrow(axis, 0, 1), pairs]
    return torch.cat(ends if inner + 1 == count else [*ends, 2 * odd.narrow(axis, inner, 1)], axis)
