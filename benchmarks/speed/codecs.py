"""How long transform codecs take to encode, in processor time on one thread, beside Pillow's JPEG and JPEG 2000.

A batch of 64 images of 224x224, noise smoothed to natural statistics, and a minute of sound at 16 kHz. Least of five
rounds, taken in turn.

    python -m benchmarks.speed.codecs [--update docs/transform.md]
"""

import io
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmarks.harness import machine, parser, seconds, show
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

HEAD = ["codec", "encodes", "ms", "beside Pillow", "aim"]


def images(count: int, size: int) -> Tensor:
    """Noise whose spectrum falls as that of photos."""
    noise = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))
    frequency = torch.fft.fftfreq(size).square()
    falling = (frequency[:, None] + frequency[: size // 2 + 1] + 1 / size**2).rsqrt()
    smooth = torch.fft.irfft2(torch.fft.rfft2(noise) * falling, (size, size))
    return (128 + 45 * smooth / smooth.std((-1, -2), keepdim=True)).round().clamp(0, 255).to(torch.uint8)


def save(pictures: list[Image.Image], kind: str, **options: object) -> None:
    for picture in pictures:
        picture.save(io.BytesIO(), kind, **options)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    batch = images(64, 224)
    pictures = [Image.fromarray(image.movedim(0, -1).numpy()) for image in batch]
    sound = (3000 * torch.randn(1, 60 * 16_000, generator=torch.Generator().manual_seed(0))).to(torch.int16)
    # Name -> (what encodes, what it encodes, whose time it stands beside, times that or seconds that are aimed at).
    calls: dict[str, tuple[Callable[[], object], str, str, str]] = {
        "Pillow's JPEG 2000": (partial(save, pictures, "JPEG2000"), "images", "", ""),
        "Pillow's JPEG": (partial(save, pictures, "JPEG", quality=75), "images", "", ""),
        "`JPEG(75)`": (partial(JPEG(75).encode, batch), "images", "Pillow's JPEG", ""),
    }
    for kernel in ("9/7", "5/3"):
        codec = TransformCodec(Wavelet(3, kernel), DeadZone(0.5 if kernel == "9/7" else 1.0))
        calls[f"`Wavelet(3, {kernel!r})`"] = partial(codec.encode, batch), "images", "Pillow's JPEG 2000", "0.25 times"
    for size in (4, 8, 16, 32):
        codec = TransformCodec(HEVCTransform(size), HEVCQuantizer(27, size))
        calls[f"`HEVCTransform({size})`"] = partial(codec.encode, batch), "images", "Pillow's JPEG", "20 times"
    for quantizer in (Psychoacoustic(256, 16_000), BandShapes(256, 16_000)):
        codec = TransformCodec(MDCT(256), quantizer)
        calls[f"`MDCT(256)`, `{type(quantizer).__name__}`"] = partial(codec.encode, sound), "sound", "", "300 ms"
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(5):  # in turn, so that other processes disturb all alike
        for name, (call, *_) in calls.items():
            times[name].append(seconds(call, time.process_time))
    best = {name: min(values) for name, values in times.items()}
    rows = [HEAD]
    for name, (_, what, beside, aim) in calls.items():
        ratio = f"{best[name] / best[beside]:.2f} times {beside.removeprefix('Pillow')[3:]}" if beside else ""
        rows.append([name, what, f"{1000 * best[name]:.0f}", ratio, aim])
    show(rows, f"Measured on {machine()}.", given.update, "transform-codecs-speed")


if __name__ == "__main__":
    main()
