"""What transform codecs keep at what rate, of photos and of speech.

    LOSSY_DATA=... python -m benchmarks.accuracy.transform_rates [--update docs/transform.md] [--draw FILE.svg]

Rates are zeroth-order entropies: each channel of a field by itself, over all cells, positions and examples. No file has
that size; real coders take less by looking at neighbours. Photos are those of kodak/ in $LOSSY_DATA, with the peak
signal-to-noise ratio of all their samples together. Speech are 60 clips of SpeechCommands/: the share of bands and
frames whose noise is below the masking threshold, and the median signal-to-noise ratio of bands; and of each band the
signal-to-noise ratio of `BandShapes` and of even steps at the same rate.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.io import read_image

from benchmarks.harness import parser, show
from lossy_lightning.codecs import (
    JPEG,
    MDCT,
    BandShapes,
    DeadZone,
    HEVCQuantizer,
    HEVCTransform,
    Psychoacoustic,
    TransformCodec,
    Wavelet,
)
from lossy_lightning.core import Codec, CodeSpec
from lossy_lightning.functional import bark_bands, index_entropy, masking_thresholds

RATE, LINES = 16_000, 256
CURVES: dict[str, list[Codec]] = {
    "JPEG": [JPEG(quality) for quality in (10, 25, 50, 75, 90)],
    "Wavelet(4)": [TransformCodec(Wavelet(4), DeadZone(step)) for step in (4.0, 2.0, 1.0, 0.5, 0.25)],
    "HEVCTransform(8)": [TransformCodec(HEVCTransform(8), HEVCQuantizer(qp)) for qp in (40, 34, 29, 24, 18)],
    "HEVCTransform(32)": [TransformCodec(HEVCTransform(32), HEVCQuantizer(qp, 32)) for qp in (40, 34, 29, 24, 18)],
}


class Point(NamedTuple):
    """Rate in bits a pixel, and peak signal-to-noise ratio in dB."""

    bits: float
    psnr: float


def entropy(codes: Iterable[tuple[CodeSpec, Tensor]]) -> float:
    """Bits of all codes together."""
    values: dict[str, list[Tensor]] = {}
    for spec, code in codes:
        for name, part in spec.split(code).items():
            values.setdefault(name, []).append(part.movedim(-1 - len(spec.grid), 0).flatten(1))
    return sum(channel_bits(channel) for parts in values.values() for channel in torch.cat(parts, 1))


def channel_bits(values: Tensor) -> float:
    """Bits of one channel."""
    counts = torch.unique(values, return_counts=True)[1]
    return float(index_entropy(counts) * counts.sum())


def sound_bits(quantizer: Codec, code: Tensor) -> float:
    """Bits of codes ``(..., channels or rows of frequency, frames)``; of `BandShapes`, with shapes by their numbers."""
    if isinstance(quantizer, BandShapes):
        return quantizer.rate(code) * quantizer.size * code.numel() / code.shape[-2]
    return sum(channel_bits(channel) for channel in code.movedim(-2, 0))


def point(codec: Codec, images: list[Tensor]) -> Point:
    """Rate and distortion of images, or batches of them."""
    codes = [(codec.spec(tuple(image.shape[-3:])), codec.encode(image)) for image in images]
    pixels = sum(image.numel() for image in images) / 3
    decoded = [codec.decode(code, tuple(image.shape)) for (_, code), image in zip(codes, images, strict=True)]
    error = sum(float((a.float() - b).square().sum()) for a, b in zip(decoded, images, strict=True)) / (3 * pixels)
    return Point(entropy(codes) / pixels, 10 * math.log10(255**2 / error) if error else math.inf)


def draw(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    told: str,
    path: Path,
    rate: str = "zeroth-order entropy, bits a pixel",
) -> None:
    """Curves of bits a pixel and what is told of them, as a picture."""
    draw_panels({"": curves}, told, path, rate)


def draw_panels(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], told: str, path: Path, rate: str
) -> None:
    """Such curves side by side, below their titles."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "rates", "font.size": 9}):
        figure = Figure(figsize=(5.4 if len(panels) == 1 else 4.2 * len(panels), 3.6), layout="constrained")
        for axes, (title, curves) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
        ):
            for name, points in curves.items():
                axes.plot(*zip(*points, strict=True), marker="o", markersize=4, linewidth=1.2, label=name)
            axes.set_title(title, fontsize=9)
            axes.set_xscale("log", base=2)
            axes.set_xlabel(rate)
            axes.set_ylabel(told)
            axes.grid(alpha=0.2)
            axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def clips(root: Path, count: int) -> Tensor:
    """Lines of clips of one second, side by side: ``(lines, frames)``."""
    import soundfile

    paths = sorted((root / "SpeechCommands" / "speech_commands_v0.02").glob("*/*.wav"))
    read = (torch.from_numpy(soundfile.read(path, dtype="int16")[0]) for path in paths[:: len(paths) // count])
    sounds = [sound[None, :RATE] for sound in read if len(sound) >= RATE]
    return torch.cat([MDCT(LINES)(sound) for sound in sounds], -1)


def heard(lines: Tensor, decoded: Tensor) -> tuple[float, float]:
    """Share of bands and frames below the masking threshold in percent, and median signal-to-noise ratio in dB."""
    bands = bark_bands(LINES, RATE)
    member = F.one_hot(bands).double()
    noise = (lines - decoded).mT.double().square() @ member
    below = noise <= masking_thresholds(lines.mT, RATE, bands)
    ratio = 10 * torch.log10((lines.mT.double().square() @ member + 1e-9) / (noise + 1e-9))
    return 100 * float(below.double().mean()), float(ratio.median())


def sound_rows(lines: Tensor) -> list[list[str]]:
    steps: list[tuple[str, Codec]] = [
        *((f"`Psychoacoustic`, quality {q:g}", Psychoacoustic(LINES, RATE, q)) for q in (0.5, 1.0, 2.0)),
        *((f"one step, {step:g}", DeadZone(step, 0.5)) for step in (4.0, 16.0, 64.0)),
        *((f"`BandShapes`, bits {bits:g}", BandShapes(LINES, RATE, bits)) for bits in (0.5, 1.0, 2.0)),
    ]
    rows = [["quantizer of `MDCT(256)`", "bits a sample", "below the mask, %", "median SNR of bands, dB"]]
    for name, quantizer in steps:
        code = quantizer.encode(lines)
        bits = sound_bits(quantizer, code) / lines.numel()
        share, ratio = heard(lines, quantizer.decode(code))
        rows.append([name, f"{bits:.2f}", f"{share:.1f}", f"{ratio:.1f}"])
    return rows


def uniform(lines: Tensor, bits: float) -> Tensor:
    """Lines ``(lines, frames)`` after even steps, so wide that all together take as many bits."""
    low, high = 1e-3, 1e5
    for _ in range(24):
        step = (low * high) ** 0.5
        quantizer = DeadZone(step, 0.5)
        code = quantizer.encode(lines)
        low, high = (low, step) if sound_bits(quantizer, code) < bits else (step, high)
    return quantizer.decode(code)


def ratios(lines: Tensor, decoded: Tensor) -> list[str]:
    """Signal over noise in dB: the median over frames, and that of all frames together."""
    energy, noise = lines.double().square().sum(0), (lines - decoded).double().square().sum(0)
    each = 10 * torch.log10((energy + 1e-9) / (noise + 1e-9))
    return [f"{float(each.median()):.1f}", f"{10 * math.log10(energy.sum() / noise.sum()):.1f}"]


def band_rows(lines: Tensor) -> list[list[str]]:
    """`BandShapes` beside even steps of the same shapes and of the lines, at the same rate in each band."""
    quantizer, rows, start = BandShapes(LINES, RATE), [], 0
    code = quantizer.encode(lines)
    decoded = quantizer.decode(code)
    for shape, bits in zip(quantizer.shapes, quantizer.band_bits(code).tolist(), strict=True):
        end = start + shape.dimensions
        band, found = lines[start:end], decoded[start:end]
        norms = found.norm(dim=0)
        directions = torch.where(norms > 0, band / norms, 0)  # silent bands have none
        shaped = norms * uniform(directions, shape.bits * int((norms > 0).sum()))
        even = [shaped, uniform(band, bits * lines.shape[1])]
        hertz = " to ".join(f"{edge * RATE / 2 / LINES:.0f}" for edge in (start, end))
        told = [" / ".join(ratios(band, one)) for one in (found, *even)]
        rows.append([hertz, f"{bits / len(band):.2f}", *told])
        start = end
    return [["band, Hz", "bits a line", "`BandShapes`", "even steps of shapes", "even steps of lines"], *rows]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the tables into this document, too")
    arguments.add_argument("--draw", type=Path, metavar="FILE", help="draw the curves of photos into this file")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    root = Path(os.environ["LOSSY_DATA"])
    images = [read_image(str(path)) for path in sorted((root / "kodak").glob("*.png"))]
    curves = {name: [point(codec, images) for codec in codecs] for name, codecs in CURVES.items()}
    cells = {name: [f"{p.bits:.2f}: {p.psnr:.1f}" for p in points] for name, points in curves.items()}
    head = ["bits a pixel: PSNR in dB", "coarsest", "", "", "", "finest"]
    rows = [head, *([f"`{name}`", *row] for name, row in cells.items())]
    show(rows, f"{len(images)} photos of Kodak.", given.update, "transform-rates")
    if given.draw:
        draw(curves, "PSNR, dB", given.draw)
    lines = clips(root, 60)
    note = f"{lines.shape[1]} frames of Speech Commands; the rate of `BandShapes` is that of numbered shapes."
    show(sound_rows(lines), note, given.update, "transform-sound")
    note = "Signal-to-noise ratio in dB: the median over frames / that of all frames together."
    show(band_rows(lines), note, given.update, "transform-bands")


if __name__ == "__main__":
    main()
