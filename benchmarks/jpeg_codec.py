"""Microseconds an image of the JPEG codec on one thread, beside Pillow and torchvision, on noise-free gradients.

`Decoded` encodes and decodes pixels in one go: libjpeg does both. Least of nine rounds.

python benchmarks/jpeg_codec.py
"""

import io
from timeit import timeit

import torch
from PIL import Image
from torchvision.io import decode_jpeg

from lossy_lightning.codecs import JPEG, Decoded


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
        file = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        calls = {
            "encode": (lambda codec=codec, batch=batch: codec.encode(batch), count),
            "decode": (lambda codec=codec, code=code, size=size: codec.decode(code, (3, size, size)), count),
            "read": (lambda codec=codec, data=data: codec.read(data), 1),
            "Pillow encode": (lambda picture=picture: picture.save(io.BytesIO(), "JPEG", quality=75), 1),
            "Pillow decode": (lambda data=data: Image.open(io.BytesIO(data)).load(), 1),
            "torchvision decode": (lambda file=file: decode_jpeg(file), 1),
            "Decoded": (lambda codec=codec, batch=batch: Decoded(codec).encode(batch), count),
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(9):  # in turn, so that other processes disturb all alike
            for name, (call, _) in calls.items():
                times[name].append(timeit(call, number=3) / 3)
        best = {name: min(values) / calls[name][1] * 1e6 for name, values in times.items()}
        for name, microseconds in best.items():
            print(f"{size:4d} x {size:<4d} {name:18s} {microseconds:8.1f} us an image")
        parts = best["Pillow encode"] + best["torchvision decode"]
        print(f"{size:4d} x {size:<4d} Decoded: {best['Decoded'] / parts:.2f} times Pillow encode + torchvision decode")


if __name__ == "__main__":
    main()
