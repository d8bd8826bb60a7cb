"""The JPEG codec on batches of images, beside Pillow and torchvision: processor time an image, on one thread.

`Decoded` shows what decoding gives back of an encoded image. *Tensors* is `JPEG.encode` without compiled code, as on
other devices; *transform* is random flips and brightness of each image, as they come before encoding in training. Least
of fifteen rounds, on gradients with noise, quality 75, 4:2:0.

A second table shows what uses of the codec cost with compiled code and with tensors: what `GradientAttackMonitor` tells
of the changes to a batch (it decodes the codes before and after the attack, and encodes what the latter show; the files
that it writes are not counted), and a training batch that is transformed and encoded.

    python -m benchmarks.speed.jpeg_codec [--update docs/numbers.md]
"""

import io
import time
from functools import partial
from pathlib import Path
from timeit import timeit

import torch
from PIL import Image
from torchvision.io import decode_jpeg

from benchmarks.harness import machine, parser, show
from lossy_lightning.codecs import JPEG, Decoded

HEAD = [
    "images", "`JPEG.encode`", "`JPEG.decode`", "Pillow encode", "torchvision decode", "encoding / Pillow's",
    "decoding / torchvision's", "`Decoded`", "tensors", "transform", "transform and `JPEG.encode`",
]  # fmt: skip


class Uncompiled(torch.Tensor):
    """A tensor that compiled code leaves to torch."""


def transform(batch: torch.Tensor) -> torch.Tensor:
    flipped = torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.flip(-1), batch)
    gain = torch.empty(len(batch), 1, 1, 1).uniform_(0.8, 1.2)
    return (flipped * gain).clamp_(0, 255).to(torch.uint8)


def images(count: int, size: int) -> torch.Tensor:
    ramp = torch.linspace(0, 6, size)
    waves = [128 + 100 * torch.sin(ramp[:, None] + phase) * torch.cos(ramp) for phase in range(3)]
    noise = 10 * torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))
    return (torch.stack(waves) + noise).to(torch.uint8)


def pillow(pictures: list[Image.Image]) -> list[io.BytesIO]:
    files = [io.BytesIO() for _ in pictures]
    for picture, file in zip(pictures, files, strict=True):
        picture.save(file, "JPEG", quality=75)
    return files


def microseconds(count: int, size: int) -> dict[str, float]:
    """Least processor time an image of each call."""
    codec, batch = JPEG(75), images(count, size)
    code = codec.encode(batch)
    pictures = [Image.fromarray(image.movedim(0, -1).numpy()) for image in batch]
    files = pillow(pictures)
    data = [torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8) for file in files]
    calls = {
        "encode": partial(codec.encode, batch),
        "decode": partial(codec.decode, code, batch.shape),
        "Pillow encode": partial(pillow, pictures),
        "torchvision decode": lambda: torch.stack([decode_jpeg(file) for file in data]),
        "Decoded": partial(Decoded(codec).encode, batch),
        "tensors": partial(codec.encode, batch.as_subclass(Uncompiled)),
        "transform": partial(transform, batch),
        "both": lambda: codec.encode(transform(batch)),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(15):  # in turn, so that other processes disturb all alike
        for name, call in calls.items():
            times[name].append(timeit(call, number=1, timer=time.process_time))
    return {name: min(values) / count * 1e6 for name, values in times.items()}


def uses(count: int, size: int, rounds: int) -> list[list[str]]:
    """Rows of the second table, milliseconds of a batch."""
    codec, batch = JPEG(75), images(count, size)
    code = codec.encode(batch)

    def told(code: torch.Tensor) -> None:
        codec.decode(code, batch.shape[1:])
        shown = codec.decode(code, batch.shape[1:])
        codec.encode(shown.as_subclass(type(code)))

    def encoded(batch: torch.Tensor) -> None:
        codec.encode(transform(batch).as_subclass(type(batch)))

    calls = {"changes by an attack": (told, code), "transform and encode": (encoded, batch)}
    rows = []
    for name, (call, value) in calls.items():
        kinds = value, value.as_subclass(Uncompiled)
        best = [
            min(timeit(partial(call, kind), number=1, timer=time.process_time) for _ in range(rounds)) for kind in kinds
        ]
        now, before = (1e3 * seconds for seconds in best)
        rows.append([name, f"{count} of {size}x{size}", f"{now:.1f}", f"{before:.1f}", f"{before / now:.1f}"])
    return rows


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    rows = [HEAD]
    for count, size in ((256, 32), (64, 224)):
        best = microseconds(count, size)
        ratios = best["encode"] / best["Pillow encode"], best["decode"] / best["torchvision decode"]
        shown = [f"{value:.1f}" for value in best.values()]
        shown[4:4] = [f"{ratio:.2f}" for ratio in ratios]
        rows.append([f"{size}x{size}", *shown])
    show(rows, f"Measured on {machine()}.", given.update, "jpeg-codec")
    rows = [["use", "images", "compiled, ms", "tensors, ms", "ratio"]]
    rows += [row for count, size in ((64, 32), (64, 224)) for row in uses(count, size, 7)]
    print()
    show(rows, f"Measured on {machine()}.", given.update, "jpeg-uses")


if __name__ == "__main__":
    main()
