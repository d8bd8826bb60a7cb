"""Modified discrete cosine transform, for codecs of sound."""

import math

import torch
from torch import Tensor


def mdct(frames: Tensor, window: Tensor) -> Tensor:
    """Orthonormal MDCT of frames that overlap by half; differentiable.

    With a window for which ``window[n]**2 + window[n + N]**2 = 1`` and that is its own mirror image, `imdct` and
    `overlap_add` give the signal back. Neighbouring frames may have other windows and sizes if the halves that overlap
    fit.

    Args:
        frames: ``(..., 2 N)``, float; the second half of a frame is the first one of the next.
        window: ``(2 N,)``, or anything that broadcasts.

    Returns:
        ``(..., N)``, coefficients.

    Raises:
        ValueError: If a frame has an odd number of samples.

    Source: Princen, Johnson, Bradley, Subband/transform coding using filter bank designs based on time domain aliasing
        cancellation, ICASSP 1987.

    Example:
        >>> mdct(torch.ones(3, 36), torch.ones(36)).shape
        torch.Size([3, 18])
    """
    return (frames * window) @ _basis(frames.shape[-1], frames)


def imdct(coefficients: Tensor, window: Tensor) -> Tensor:
    """Windowed frames of orthonormal MDCT coefficients, the transpose of `mdct`; differentiable.

    Args:
        coefficients: ``(..., N)``, float.
        window: ``(2 N,)``, or anything that broadcasts.

    Returns:
        ``(..., 2 N)``: frames to add with `overlap_add`.

    Source: as `mdct`.

    Example:
        >>> window = torch.sin(torch.pi / 8 * (torch.arange(8) + 0.5))
        >>> frames = torch.arange(24.0).unfold(0, 8, 4)
        >>> overlap_add(imdct(mdct(frames, window), window))[4:20].allclose(torch.arange(4.0, 20), atol=1e-5)
        True
    """
    return (coefficients @ _basis(2 * coefficients.shape[-1], coefficients).mT) * window


def overlap_add(frames: Tensor) -> Tensor:
    """Signal of frames that overlap by half: ``(..., count, 2 N)`` to ``(..., (count + 1) N)``.

    Example:
        >>> overlap_add(torch.ones(2, 4))
        tensor([1., 1., 2., 2., 1., 1.])
    """
    first, second = torch.unflatten(frames, -1, (2, -1)).unbind(-2)
    nothing = torch.zeros_like(first[..., :1, :])
    return (torch.cat([first, nothing], -2) + torch.cat([nothing, second], -2)).flatten(-2)


def _basis(length: int, like: Tensor) -> Tensor:
    """Orthonormal MDCT matrix ``(length, length / 2)``, of the dtype and device of a tensor."""
    if length % 2:
        raise ValueError(f"an MDCT takes frames of an even number of samples; got {length}")
    half = length // 2
    time = torch.arange(length, dtype=torch.float64, device=like.device) + 0.5 + half / 2
    frequency = torch.arange(half, dtype=torch.float64, device=like.device) + 0.5
    return (torch.cos(torch.pi / half * time[:, None] * frequency) * math.sqrt(2 / half)).to(like.dtype)
