"""The JPEG codec on batches of images, beside Pillow and torchvision: processor time an image, on one thread.

`Decoded` shows what decoding gives back of an encoded image; on the CPU libjpeg does both halves, and they are timed on
their own too. Least of fifteen rounds, on noise-free gradients of quality 75, 4:2:0.

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
from lossy_lightning.codecs.standards._libjpeg import decode_files, encode_images
from lossy_lightning.functional import quality_tables

HEAD = [
    "images", "`JPEG.encode`", "`JPEG.decode`", "Pillow encode", "torchvision decode", "`Decoded`",
    "its encoding / Pillow's", "its decoding / torchvision's",
]  # fmt: skip


def images(count: int, size: int) -> torch.Tensor:
    ramp = torch.linspace(0, 6, size)
    waves = [128 + 100 * torch.sin(ramp[:, None] + phase) * torch.cos(ramp) for phase in range(3)]
    return torch.stack(waves).to(torch.uint8).expand(count, -1, -1, -1).contiguous()


def pillow(pictures: list[Image.Image]) -> list[io.BytesIO]:
    files = [io.BytesIO() for _ in pictures]
    for picture, file in zip(pictures, files, strict=True):
        picture.save(file, "JPEG", quality=75)
    return files


def microseconds(count: int, size: int) -> dict[str, float]:
    """Least processor time an image of each call."""
    codec, batch, tables = JPEG(75), images(count, size), quality_tables(75)
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
        "its encoding": partial(encode_images, batch, tables, "4:2:0"),
        "its decoding": partial(decode_files, files, batch.shape),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(15):  # in turn, so that other processes disturb all alike
        for name, call in calls.items():
            times[name].append(timeit(call, number=1, timer=time.process_time))
    return {name: min(values) / count * 1e6 for name, values in times.items()}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    rows = [HEAD]
    for count, size in ((256, 32), (32, 224)):
        best = microseconds(count, size)
        encoding, decoding = best.pop("its encoding"), best.pop("its decoding")
        ratios = encoding / best["Pillow encode"], decoding / best["torchvision decode"]
        shown = [f"{value:.1f}" for value in best.values()] + [f"{ratio:.2f}" for ratio in ratios]
        rows.append([f"{size}x{size}", *shown])
    show(rows, f"Measured on {machine()}.", given.update, "jpeg-codec")


if __name__ == "__main__":
    main()
