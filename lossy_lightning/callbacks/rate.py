"""How many bits the codes of a model take."""

from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lossy_lightning.callbacks._datamodule import signal_shape, spec_of_data
from lossy_lightning.core import CodeSpec, Field, FileCodec, valid_positions
from lossy_lightning.functional import index_entropy


class RateMonitor(Callback):
    """Logs the bits of an example's code, over the codes of each test.

    Container, entropy and size of files are three numbers, and none replaces another. Data without a spec (other
    people's datamodules, plain loaders) are left alone. The code is what the datamodule gives: the samples, if a task
    trains a codec on them; `VQVAETask` and `JointTask` log the bits of their own codes themselves.

    Logged, per example:

    - ``rate/container_bits``: the bit widths of all values that are there (`CodeSpec.container_bits`), averaged if
      they vary;
    - ``rate/entropy_bits``: the zeroth-order entropy: that of each channel's values over all codes of the test, each
      value by itself, times the number of its values, summed over channels; absent values and the repeats of a constant
      field do not count. No file has that size: a coder that looks at neighbours takes fewer bits, and headers and
      tables come on top;
    - ``rate/file_bits``: the file that a `FileCodec` writes of the code, headers included, if the signal's shape is
      fixed;
    - ``rate/container_bits_per_sample``, ``rate/entropy_bits_per_sample``, ``rate/file_bits_per_sample``: the same by
      the number of samples of the signal, if its shape is fixed;
    - ``rate/<field>/container_bits``, ``rate/<field>/entropy_bits``: the share of each field, if there are several.

    Example:
        >>> trainer = Trainer(callbacks=[RateMonitor()], logger=False)
    """

    def __init__(self) -> None:
        self._reset(None, torch.device("cpu"))

    def _reset(self, spec: CodeSpec | None, device: torch.device) -> None:
        fields = () if spec is None else spec.fields
        self._counts = [torch.zeros(field.num_channels, max(field.levels)).long().to(device) for field in fields]
        self._container = torch.zeros(len(fields), dtype=torch.long, device=device)
        self._totals = torch.zeros(3, dtype=torch.long, device=device)  # examples, files, bits of files

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the codes of the last test."""
        self._reset(spec_of_data(trainer), pl_module.device)

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
        spec = spec_of_data(trainer)
        if spec is None or not isinstance(batch, list | tuple) or not isinstance(batch[0], Tensor):
            return
        code, *rest = batch
        try:
            spec.check_layout(code)
        except ValueError:  # another loader than that of the datamodule
            return
        grid_size = rest[1] if len(rest) > 1 else None
        for i, field in enumerate(spec.fields):
            part = spec.narrow(code, field.name)
            self._counts[i] += count_values(part, field, grid_size)
            self._container[i] += spec.select(field.name).container_bits(part, grid_size).sum()
        sizes = list(_file_sizes(trainer, code.cpu(), *rest[:1]))
        self._totals += torch.tensor([len(code), len(sizes), 8 * sum(sizes)], device=self._totals.device)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the bits."""
        spec = spec_of_data(trainer)
        if spec is None:
            return
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for tensor in (*self._counts, self._container, self._totals):
                torch.distributed.all_reduce(tensor)
        examples, files, file_bits = self._totals.tolist()
        if not examples:
            return
        entropy = [float((n.sum(1).double() * index_entropy(n)).sum() / examples) for n in self._counts]
        container = [bits / examples for bits in self._container.tolist()]
        figures = {"container_bits": sum(container), "entropy_bits": sum(entropy)}
        if files == examples:
            figures["file_bits"] = file_bits / examples
        if shape := signal_shape(trainer):
            figures |= {f"{name}_per_sample": bits / prod(shape) for name, bits in figures.items()}
        if len(spec.fields) > 1:
            for field, *bits in zip(spec.fields, container, entropy, strict=True):
                figures |= dict(zip((f"{field.name}/container_bits", f"{field.name}/entropy_bits"), bits, strict=True))
        for name, bits in figures.items():
            metric = torch.tensor(bits, dtype=torch.float32, device=pl_module.device)
            pl_module.log(f"rate/{name}", metric, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)


def count_values(part: Tensor, field: Field, grid_size: Tensor | None = None) -> Tensor:
    """How often each channel of a field takes each of its values, ``(C, most levels)`` int64, the least value first.

    Absent values do not count, and constants count once an example.

    Args:
        part: The field's channels of codes, ``(N, C, *grid)``, integer.
        field: Of these channels.
        grid_size: ``(N, axes)``, how much of each grid of a padded batch is the example's own; None: all of it.

    Example:
        >>> count_values(torch.tensor([[[3, 5, 5]]]), Field("code", (3,), (5,), ordinal=True))
        tensor([[1, 0, 2]])
    """
    channels, most = field.num_channels, max(field.levels)
    values = part.movedim(1, 0).flatten(2)  # (C, N, positions)
    there = torch.ones_like(values, dtype=torch.bool) if field.absent is None else values != field.absent
    if grid_size is not None:
        there &= valid_positions(grid_size, tuple(part.shape[2:])).flatten(1)
    if field.constant:
        values, there = values[..., :1], there[..., :1]
    low = torch.tensor(field.low * field.num_cells, device=part.device)
    first = torch.arange(channels, device=part.device) * most - low
    index = values.long() + first[:, None, None]
    return torch.bincount(index[there], minlength=channels * most).view(channels, most)


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
