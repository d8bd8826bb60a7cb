"""What codecs leave of signals: how far it is from them, and whether a network still says the same of it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from lossy_lightning.callbacks._distortion import distortion, is_sound
from lossy_lightning.callbacks._round_trip import device_of
from lossy_lightning.callbacks._through_codecs import examples_of
from lossy_lightning.core import Codec, InputError
from lossy_lightning.core.arguments import check_integers

RoundTrip = Callable[[Tensor], tuple[Tensor, float]]
"""From a signal, without batch, to what a codec leaves of it, of the same shape and dtype, and the bits it takes."""

Judge = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From signals ``(N, *signal)`` to scores ``(N, classes)`` and features ``(N, features)``."""


def judge_codecs(
    codecs: Mapping[str, Codec | RoundTrip], signals: Iterable[Any], judge: Judge | None = None, top: int = 5
) -> dict[str, dict[str, Tensor]]:
    """Measure what several codecs leave of signals of any size, such as those of a folder.

    A codec that was fitted to other signals may fail on these though it measures well on its own. Distances say how
    far what is left is from the signal; the *agreement* of a judge, a trained network, says whether it means the same.

    Args:
        codecs: By name; a codec, or any function that does the same as a `RoundTrip`.
        signals: Images ``(channels, height, width)`` uint8, or sounds ``(channels, samples)`` int16, one by one; or
            tuples that begin with one, such as the examples of ``AudioFolder(…).signals("test")``.
        judge: In evaluation mode; without gradients. None: only distances.
        top: Number of greatest scores that are compared.

    Returns:
        For each codec, by name, one value a signal of

        - ``bits_per_sample``: container bits (`CodeSpec.container_bits`), or those that a function tells;
        - ``psnr`` and ``ssim`` of images, ``log_spectral_distance`` and ``si_sdr`` of sounds, all but SSIM in dB; no
          SI-SDR if the codec does not keep the phase;
        - ``top_1``: 1 if the judge's first class is the same, else 0; ``top_<top>``: share of its first ones that are
          still among its first; ``cosine`` of its features.

    Raises:
        ValueError: If there are no codecs or signals, or a codec leaves a signal of another shape or dtype.

    Source:
        Le Roux et al., SDR - half-baked or well done?, ICASSP 2019 (SI-SDR, by torchmetrics).

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
        >>> found = judge_codecs({"fine": JPEG(95), "poor": JPEG(5)}, images)
        >>> found["fine"]["psnr"].shape, bool((found["fine"]["psnr"] > found["poor"]["psnr"]).all())
        (torch.Size([4]), True)
    """
    check_integers(1, top=top)
    if not codecs:
        raise InputError("judge_codecs compares one or more codecs, such as {'quality 10': JPEG(10)}; got none")
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in codecs}
    with torch.no_grad():
        for example in examples_of(signals):
            signal = example if isinstance(example, Tensor) else example[0]
            said = None if judge is None else judge(signal[None])
            for name, codec in codecs.items():
                left, bits = through(name, codec, signal)
                phase = not isinstance(codec, Codec) or codec.keeps_phase
                row = {"bits_per_sample": bits / signal.numel()} | _distances(signal, left, phase)
                if judge is not None and said is not None:
                    row |= _agreement(said, judge(left[None]), top)
                rows[name].append(row)
    if not rows[next(iter(rows))]:
        raise InputError("judge_codecs compares signals before and after coding; got none")
    return {name: {key: torch.tensor([row[key] for row in each]) for key in each[0]} for name, each in rows.items()}


def through(name: str, codec: Codec | RoundTrip, signal: Tensor) -> tuple[Tensor, float]:
    """What a codec leaves, and its bits.

    Raises:
        ValueError: If it is of another shape or dtype.
    """
    if isinstance(codec, Codec):
        code = codec.encode(signal.to(device_of(codec)))
        left = codec.decode(code, tuple(signal.shape)).to(signal.device)
        bits = float(codec.spec(tuple(signal.shape)).container_bits(code))
    else:
        left, bits = codec(signal)
    if left.shape != signal.shape or left.dtype != signal.dtype:
        raise InputError(
            f"what codec {name!r} leaves is of the signal's shape and dtype, {tuple(signal.shape)} {signal.dtype}; got "
            f"{tuple(left.shape)} {left.dtype}: crop, round and clip it"
        )
    return left, bits


def _distances(signal: Tensor, left: Tensor, phase: bool) -> dict[str, float]:
    """Of one signal."""
    found = distortion(signal[None], left[None])
    found.pop("snr", None)
    if is_sound(signal[None]) and phase:
        ratio = scale_invariant_signal_distortion_ratio(left.float(), signal.float(), zero_mean=True)
        found["si_sdr"] = float(ratio.mean())
    return found


def _agreement(before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor], top: int) -> dict[str, float]:
    """Of what a judge says of one signal, before and after."""
    (scores, features), (moved, changed) = before, after
    count = min(top, scores.shape[1])
    first, now = (each.topk(count, 1).indices[0] for each in (scores, moved))
    return {
        "top_1": float(first[0] == now[0]),
        f"top_{top}": float(torch.isin(first, now).double().mean()),
        "cosine": float(cosine_similarity(features, changed).mean()),
    }
