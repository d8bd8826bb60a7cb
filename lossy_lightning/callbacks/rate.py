"""How many bits the codes take that a model reads."""

from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lossy_lightning.callbacks._round_trip import signal_shape
from lossy_lightning.core import CodeSpec, FileCodec
from lossy_lightning.functional import index_entropy


class RateMonitor(Callback):
    """Logs the bits of an example's code, over the codes of each test.

    Container, entropy and size of files are three numbers, and none stands for another. Data without a spec (other
    people's datamodules, plain loaders) are left alone. The code is what the datamodule gives: the samples, where a
    task trains a codec on them; `VQVAETask` and `JointTask` log the bits of their own codes themselves.

    Logged, per example:

    - ``rate/container_bits``: the spec's bit widths, summed over channels and grid (`CodeSpec.num_bits`), averaged
      where the sizes vary;
    - ``rate/entropy_bits``: the zeroth-order entropy: that of each channel's values over all codes of the test, each
      value by itself, times the number of its values, summed over channels. No file has that size: a coder that looks
      at neighbours spends less, and headers and tables come on top;
    - ``rate/file_bits``: the file that a `FileCodec` writes of the code, headers included, where the signal's shape is
      fixed;
    - ``rate/container_bits_per_sample``, ``rate/entropy_bits_per_sample``, ``rate/file_bits_per_sample``: the same by
      the number of samples of the signal, where its shape is fixed.

    Example:
        >>> trainer = Trainer(callbacks=[RateMonitor()], logger=False)
    """

    def __init__(self) -> None:
        self._counts = torch.zeros(0, 0)
        self._examples = self._files = self._file_bits = 0

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the codes of the last test."""
        spec = _spec(trainer)
        size = (0, 0) if spec is None else (len(spec.low), max(spec.levels))
        self._counts = torch.zeros(size, dtype=torch.long, device=pl_module.device)
        self._examples = self._files = self._file_bits = 0

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the values of a batch."""
        spec = _spec(trainer)
        if spec is None or not isinstance(batch, list | tuple) or not isinstance(batch[0], Tensor):
            return
        code, *rest = batch
        try:
            spec.check_layout(code)
        except ValueError:  # another loader than that of the datamodule
            return
        pieces = [code] if len(rest) < 2 else _without_padding(code, rest[1])
        for piece in pieces:
            self._counts += count_values(piece, spec)
        self._examples += len(code)
        sizes = list(_file_sizes(trainer, code.cpu(), *rest[:1]))
        self._files += len(sizes)
        self._file_bits += 8 * sum(sizes)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the bits."""
        spec = _spec(trainer)
        if spec is None:
            return
        counts = self._counts
        totals = torch.tensor([self._examples, self._files, self._file_bits], device=counts.device)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(counts)
            torch.distributed.all_reduce(totals)
        examples, files, file_bits = totals.tolist()
        if not examples:
            return
        values = counts.sum(1).double()
        widths = torch.tensor(spec.bit_widths, device=counts.device, dtype=torch.double)
        figures = {
            "container_bits": float((values * widths).sum() / examples),
            "entropy_bits": float((values * index_entropy(counts)).sum() / examples),
        }
        if files == examples:
            figures["file_bits"] = file_bits / examples
        if shape := signal_shape(trainer):
            figures |= {f"{name}_per_sample": bits / prod(shape) for name, bits in figures.items()}
        for name, bits in figures.items():
            metric = torch.tensor(bits, dtype=torch.float32, device=pl_module.device)
            pl_module.log(f"rate/{name}", metric, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)


def count_values(code: Tensor, spec: CodeSpec) -> Tensor:
    """How often each channel takes each of its values, ``(C, most levels)`` int64, the least value first.

    Args:
        code: ``(N, C, *grid)``, integer.
        spec: Of these codes.

    Example:
        >>> count_values(torch.tensor([[[3, 5, 5]]]), CodeSpec.uniform((1, 3), 3, 5, ordinal=True))
        tensor([[1, 0, 2]])
    """
    channels, most = len(spec.low), max(spec.levels)
    first = torch.arange(channels, device=code.device) * most - torch.tensor(spec.low, device=code.device)
    index = code.movedim(1, 0).flatten(1).long() + first[:, None]
    return torch.bincount(index.flatten(), minlength=channels * most).view(channels, most)


def _spec(trainer: Trainer) -> CodeSpec | None:
    spec = getattr(getattr(trainer, "datamodule", None), "spec", None)
    return spec if isinstance(spec, CodeSpec) else None


def _file_sizes(trainer: Trainer, code: Tensor, target: Tensor | None = None) -> Iterator[int]:
    """Bytes of the file of each code, of those whose codec makes files."""
    data: Any = getattr(trainer, "datamodule", None)
    shape = signal_shape(trainer)
    if shape is None or not hasattr(data, "codec_for"):
        return
    for i, one in enumerate(code):
        codec = data.codec_for("test", None if target is None else target[i])
        if isinstance(codec, FileCodec):
            yield len(codec.write(one, shape))


def _without_padding(code: Tensor, grid_size: Tensor) -> list[Tensor]:
    """Codes ``(1, C, *grid)`` of their own sizes."""
    return [one[:, *(slice(size) for size in sizes)][None] for one, sizes in zip(code, grid_size.tolist(), strict=True)]
