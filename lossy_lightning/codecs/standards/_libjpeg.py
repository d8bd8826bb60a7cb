"""Images through the libjpeg of Pillow and torchvision, one by one on the host."""

import io

import torch
from PIL import Image
from torch import Tensor
from torchvision.io import decode_jpeg

#: Those that Pillow writes, and that torchvision's libjpeg decodes to the same pixels as any other.
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
_LONGEST = 65500  # pixels along an axis that libjpeg takes


def takes(images: Tensor, chroma_subsampling: str) -> bool:
    """Whether `round_trip` takes these images ``(..., 1 or 3, H, W)``."""
    sides = images.shape[-2:]
    known = images.shape[-3] == 1 or chroma_subsampling in SUBSAMPLINGS
    return known and images.device.type == "cpu" and min(sides) > 0 and max(sides) <= _LONGEST


def round_trip(images: Tensor, tables: Tensor, chroma_subsampling: str) -> Tensor:
    """Pixels that torchvision decodes from the files that Pillow writes.

    Args:
        images: ``(..., 1 or 3, H, W)``, uint8, on the CPU.
        tables: Quantization tables ``(2, 8, 8)``, for luma and for chroma, 1 to 255.
        chroma_subsampling: One of `SUBSAMPLINGS`; unused for grey images.

    Returns:
        Images of the same shape.

    Example:
        >>> from lossy_lightning.functional import quality_tables
        >>> round_trip(torch.full((1, 1, 2), 130, dtype=torch.uint8), quality_tables(50), "4:2:0")
        tensor([[[130, 130]]], dtype=torch.uint8)
    """
    batch = images.reshape(-1, *images.shape[-3:])
    return decode_files(encode_images(batch, tables, chroma_subsampling), batch.shape).view(images.shape)


def encode_images(images: Tensor, tables: Tensor, chroma_subsampling: str) -> list[io.BytesIO]:
    """Files of images ``(N, 1 or 3, H, W)``; the other arguments are those of `round_trip`."""
    subsampling = chroma_subsampling if images.shape[1] == 3 else "4:4:4"
    rows: list[list[int]] = tables.flatten(1).tolist()
    files = []
    for pixels in images.movedim(1, -1).contiguous().numpy():
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        files.append(io.BytesIO())
        picture.save(files[-1], "JPEG", qtables=rows, subsampling=subsampling)
    return files


def decode_files(files: list[io.BytesIO], shape: tuple[int, ...]) -> Tensor:
    """Images ``(N, C, H, W)``, uint8, of files that hold images of that shape."""
    decoded = torch.empty(shape, dtype=torch.uint8)
    for out, file in zip(decoded, files, strict=True):
        out.copy_(decode_jpeg(torch.frombuffer(file.getbuffer(), dtype=torch.uint8)))
    return decoded
