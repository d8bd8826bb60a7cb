"""The JPEG codec on batches of images, beside Pillow and torchvision: processor time an image, on one thread.

`Decoded` shows what decoding gives back of an encoded image; on the CPU libjpeg does both halves, and they are timed on
their own too. Least of fifteen rounds, on noise-free gradients of quality 75, 4:2:0.

python benchmarks/jpeg_codec.py
"""

import io
import time
from functools import partial
from timeit import timeit

import torch
from PIL import Image
from torchvision.io import decode_jpeg

from lossy_lightning.codecs import JPEG, Decoded
from lossy_lightning.codecs.libjpeg import decode_files, encode_images
from lossy_lightning.functional import quality_tables


def images(count: int, size: int) -> torch.Tensor:
    ramp = torch.linspace(0, 6, size)
    waves = [128 + 100 * torch.sin(ramp[:, None] + phase) * torch.cos(ramp) for phase in range(3)]
    return torch.stack(waves).to(torch.uint8).expand(count, -1, -1, -1).contiguous()


def pillow(pictures: list[Image.Image]) -> list[io.BytesIO]:
    files = [io.BytesIO() for _ in pictures]
    for picture, file in zip(pictures, files, strict=True):
        picture.save(file, "JPEG", quality=75)
    return files


def main() -> None:
    torch.set_num_threads(1)
    for count, size in ((256, 32), (32, 224)):
        codec, batch, tables = JPEG(75), images(count, size), quality_tables(75)
        code = codec.encode(batch)
        pictures = [Image.fromarray(image.movedim(0, -1).numpy()) for image in batch]
        files = pillow(pictures)
        data = [torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8) for file in files]
        calls = {
            "encode": partial(codec.encode, batch),
            "decode": partial(codec.decode, code, batch.shape),
            "Pillow encode": partial(pillow, pictures),
            "torchvision decode": lambda data=data: torch.stack([decode_jpeg(file) for file in data]),
            "Decoded": partial(Decoded(codec).encode, batch),
            "its encoding": partial(encode_images, batch, tables, "4:2:0"),
            "its decoding": partial(decode_files, files, batch.shape),
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(15):  # in turn, so that other processes disturb all alike
            for name, call in calls.items():
                times[name].append(timeit(call, number=1, timer=time.process_time))
        best = {name: min(values) / count * 1e6 for name, values in times.items()}
        for name, microseconds in best.items():
            print(f"{size:4d} x {size:<4d} {name:18s} {microseconds:8.1f} us an image")
        for own, other in (("its encoding", "Pillow encode"), ("its decoding", "torchvision decode")):
            print(f"{size:4d} x {size:<4d} {own} takes {best[own] / best[other]:.2f} times {other}")


if __name__ == "__main__":
    main()
