"""Codes as signals, through files, and in pictures; adversarial ones beside the clean."""

from itertools import chain

import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from lossy_lightning.callbacks._captions import captioned
from lossy_lightning.core import Codec, FileCodec
from lossy_lightning.media import log_image


def through_files(
    codec: FileCodec, clean: Tensor, moved: Tensor, shape: tuple[int, ...]
) -> tuple[Tensor, dict[str, float]]:
    """Codes after writing and reading files, and the files' sizes.

    Args:
        codec: Of the files.
        clean: Codes ``(N, C, *grid)``.
        moved: The same shape.
        shape: Of a signal, without batch.

    Returns:
        ``moved`` as read back, and averages over the batch: ``file_bytes``, the size of its files, and
        ``file_bytes_change``, by how much they exceed the clean ones.
    """
    sizes = [len(codec.write(code, shape)) for code in clean.cpu()]
    files = [codec.write(code, shape) for code in moved.cpu()]
    before, after = sum(sizes) / len(sizes), sum(map(len, files)) / len(files)
    again = torch.stack([codec.read(data)[0] for data in files]).to(moved)
    return again, {"file_bytes": after, "file_bytes_change": after - before}


def decoded(codec: Codec, code: Tensor, shape: tuple[int, ...] | None) -> Tensor:
    """Signals of codes, decoded on the host if the codec runs only there."""
    if isinstance(codec, nn.Module):
        codec.to(code.device)
    return codec.decode(code if codec.on_device else code.cpu(), shape)


def write_pictures(trainer: Trainer, clean: Tensor, moved: Tensor, tag: str, count: int = 8) -> None:
    """Write clean and adversarial images and ten times their difference, on grey, side by side to the loggers."""
    if clean.shape[1] not in (1, 3) or not trainer.is_global_zero:
        return
    difference = (128 + 10 * (moved[:count].int() - clean[:count].int())).clamp(0, 255).to(torch.uint8)
    columns = {"clean": clean[:count], "adversarial": moved[:count], "difference x 10": difference}
    picture = captioned([(name, torch.cat(list(images), dim=1)) for name, images in columns.items()])
    log_image(trainer.loggers, tag, picture, trainer.global_step)


def device_of(codec: Codec) -> torch.device:
    """The device of a codec's tensors; the host, if it has none."""
    tensors = chain(codec.parameters(), codec.buffers()) if isinstance(codec, nn.Module) else iter(())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))
