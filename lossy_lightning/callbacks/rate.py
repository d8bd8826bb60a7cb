"""How many bits the codes take that a model reads."""

from math import prod
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lossy_lightning.codes import CodeSpec
from lossy_lightning.functional import index_entropy


class RateMonitor(Callback):
    """Logs the bits of an example's code, over the codes of each test.

    Container and entropy-coded size are two numbers, and neither stands for the other. Data without a spec (other
    people's datamodules, plain loaders) are left alone.

    Logged, per example:

    - ``rate/container_bits``: the spec's bit widths, summed over channels and grid (`CodeSpec.num_bits`), averaged
      where the sizes vary;
    - ``rate/entropy_bits``: the entropy of each channel's values over all codes of the test, times the number of its
      values, summed over channels: what an ideal entropy coder with one table a channel spends. Neighbours are
      not looked at, so a coder that does can spend less, and a real file with its headers spends more;
    - ``rate/container_bits_per_sample``, ``rate/entropy_bits_per_sample``: the same by the number of samples of the
      signal, where its shape is fixed.

    Example:
        >>> trainer = Trainer(callbacks=[RateMonitor()], logger=False)
    """

    def __init__(self) -> None:
        self._counts: Tensor | None = None
        self._examples = 0

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the codes of the last test."""
        self._counts = None
        self._examples = 0

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
            counts = count_values(piece, spec)
            self._counts = counts if self._counts is None else self._counts + counts
        self._examples += len(code)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the bits."""
        spec = _spec(trainer)
        if spec is None or self._counts is None:
            return
        counts, examples = self._counts, torch.tensor(self._examples, device=self._counts.device)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(counts)
            torch.distributed.all_reduce(examples)
        values = counts.sum(1).double()
        widths = torch.tensor(spec.bit_widths, device=counts.device, dtype=torch.double)
        figures = {
            "container_bits": float((values * widths).sum() / examples),
            "entropy_bits": float((values * index_entropy(counts)).sum() / examples),
        }
        shape = getattr(getattr(trainer, "datamodule", None), "signal_shape", (None,))
        if None not in shape:
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


def _without_padding(code: Tensor, grid_size: Tensor) -> list[Tensor]:
    """Codes ``(1, C, *grid)`` of their own sizes."""
    return [one[:, *(slice(size) for size in sizes)][None] for one, sizes in zip(code, grid_size.tolist(), strict=True)]
