"""Microseconds an image of the JPEG codec on one thread, beside Pillow, on noise-free gradients.

python benchmarks/jpeg_codec.py
"""

import io
from timeit import repeat

import torch
from PIL import Image

from lossy_lightning.codecs import JPEG


def images(count: int, size: int) -> torch.Tensor:
    ramp = torch.linspace(0, 6, size)
    waves = [128 + 100 * torch.sin(ramp[:, None] + phase) * torch.cos(ramp) for phase in range(3)]
    return torch.stack(waves).to(torch.uint8).expand(count, -1, -1, -1).contiguous()


def main() -> None:
    torch.set_num_threads(1)
    for count, size in ((256, 32), (16, 224)):
        codec, batch = JPEG(75), images(count, size)
        code = codec.encode(batch)
        picture = Image.fromarray(batch[0].movedim(0, -1).numpy())
        data = codec.write(code[0], (3, size, size))
        times = {
            "encode": (lambda codec=codec, batch=batch: codec.encode(batch), count),
            "decode": (lambda codec=codec, code=code, size=size: codec.decode(code, (3, size, size)), count),
            "read": (lambda codec=codec, data=data: codec.read(data), 1),
            "Pillow encode": (lambda picture=picture: picture.save(io.BytesIO(), "JPEG", quality=75), 1),
            "Pillow decode": (lambda data=data: Image.open(io.BytesIO(data)).load(), 1),
        }
        for name, (call, examples) in times.items():
            best = min(repeat(call, number=5, repeat=7)) / 5 / examples
            print(f"{size:4d} x {size:<4d} {name:14s} {best * 1e6:8.1f} us an image")


if __name__ == "__main__":
    main()
