"""What a module costs, logged beside its accuracy."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn

from lossy_lightning.callbacks._datamodule import codec_of_data, signal_shape
from lossy_lightning.callbacks.inputs import first_example, first_tensor
from lossy_lightning.core import Codec, InputError
from lossy_lightning.profiling import (
    EnergyTable,
    LayerProfile,
    count_encoding_macs,
    layer_table,
    profile_layers,
    total_profile,
)

_OF_THE_CODEC = ("encoding", "sensor_to_label")


class ComplexityMonitor(Callback):
    """Logs multiply-accumulates, look-ups, parameters and memory of one example, in fit, validate and test.

    The first batch of each training epoch, and of each separate validation or test, is measured by one more forward of
    its first example, in evaluation mode and at the trainer's precision. That changes neither weights nor random state.
    A table by layer is printed once per fit, and goes to TensorBoard as text.

    Logged, all per example and zeros included:

    - ``macs/1bit``, ``macs/32bit`` and every other width found: multiply-accumulates (`count_macs`);
    - ``lookups/rows``, ``lookups/additions``: rows of tables read, and additions of these (`count_lookups`);
    - ``parameters/1bit``, ``parameters/32bit`` and every other width found: scalars (`count_parameters`);
    - ``memory/weights_bytes``, ``memory/weights_float32_bytes``: at true widths, and as float32 (`weight_memory`);
    - ``memory/features_bytes``: all features, each at its width (`feature_memory`).

    With a datamodule of ours, also:

    - ``macs/encoding/32bit`` and every other width found: making the code, if the codec is learned or neural
      (`count_encoding_macs`), else 0;
    - ``macs/sensor_to_label/1bit``, ``macs/sensor_to_label/32bit``, …: the sum of encoding and the module.

    Args:
        input_fn: Takes a batch and returns what the module's `forward` takes: one argument, or a tuple of several.
        parts: Names of submodules whose share is logged too: ``stem.codec.encoder`` as ``macs/encoder/1bit``, …
        energy: Picojoules of operations and bytes; None logs no energy. ``energy/estimated_picojoules`` is documented
            arithmetic on the figures above, sensor to label, and no measurement.

    Raises:
        ValueError: If two parts end in one name, or in that of another figure.
        MisconfigurationException: In the first batch, if `forward` does not take what `input_fn` gives.

    Example:
        >>> trainer = Trainer(callbacks=[ComplexityMonitor(input_fn=lambda batch: batch["image"])], logger=False)
    """

    def __init__(
        self,
        input_fn: Callable[[Any], Any] = first_tensor,
        parts: Sequence[str] = (),
        energy: EnergyTable | None = None,
    ) -> None:
        names = [part.rpartition(".")[2] for part in parts]
        if len({*names, *_OF_THE_CODEC}) < len(parts) + len(_OF_THE_CODEC):
            raise InputError(
                "figures of a part are logged by the last word of its name, each once, and not as "
                f"{' or '.join(_OF_THE_CODEC)}; got {parts}"
            )
        self.input_fn = input_fn
        self.parts = tuple(parts)
        self.energy = energy
        self._shown = False
        self._encoded: tuple[Codec, Counter[int] | None] | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the table once in this fit."""
        self._shown = False

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Measure the first batch of an epoch, and the first of a fit that goes on within one."""
        if batch_idx == 0 or not self._shown:
            rows = self._measure(trainer, pl_module, batch)
            if not self._shown:
                self._show(trainer, rows)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Measure the first batch of a validation that is not part of a fit."""
        if batch_idx == dataloader_idx == 0 and trainer.state.fn != TrainerFn.FITTING:
            self._measure(trainer, pl_module, batch)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Measure the first batch of a test."""
        if batch_idx == dataloader_idx == 0:
            self._measure(trainer, pl_module, batch)

    def _measure(self, trainer: Trainer, pl_module: LightningModule, batch: Any) -> list[LayerProfile]:
        arguments: tuple[Any, ...] = ()
        try:
            inputs = first_example(self.input_fn(batch))
            arguments = inputs if isinstance(inputs, tuple) else (inputs,)
            with trainer.precision_plugin.forward_context():
                rows = profile_layers(pl_module, *arguments)
        except Exception as error:  # whatever forward says to a wrong input
            raise MisconfigurationException(
                f"ComplexityMonitor could not run {type(pl_module).__name__}.forward on what its input_fn made of a "
                f"batch of type {type(batch).__name__}: {error}. "
                "Give an input_fn that takes the batch and returns what forward takes."
            ) from error
        # every rank logs the same: the logger writes once
        figures: dict[str, float] = {**scalars(rows)}
        for part in self.parts:
            figures |= part_scalars(rows, part)
        encoding = self._encoding(trainer)
        figures |= encoding_scalars(rows, encoding)
        if self.energy is not None:
            figures["energy/estimated_picojoules"] = energy_of(self.energy, rows, encoding)
        for name, value in figures.items():
            exact = torch.float32 if pl_module.device.type == "mps" else torch.float64
            metric = torch.tensor(value, dtype=exact, device=pl_module.device)
            pl_module.log(
                name,
                metric,
                on_step=False,
                on_epoch=True,
                reduce_fx="max",
                batch_size=1,
                add_dataloader_idx=False,
                sync_dist=True,
            )
        return rows

    def _encoding(self, trainer: Trainer) -> Counter[int] | None:
        """Multiply-accumulates of making the code, None if there is no codec of ours or its signals vary in shape."""
        codec, shape = codec_of_data(trainer), signal_shape(trainer)
        if codec is None or shape is None:
            return None
        if self._encoded is None or self._encoded[0] is not codec:
            try:
                self._encoded = codec, count_encoding_macs(codec, shape)
            except Exception as error:  # whatever a codec of anybody's raises
                rank_zero_warn(
                    f"ComplexityMonitor leaves out what encoding costs: {codec} could not be counted: {error}"
                )
                self._encoded = codec, None
        return self._encoded[1]

    def _show(self, trainer: Trainer, rows: list[LayerProfile]) -> None:
        self._shown = True
        if not trainer.is_global_zero:
            return
        table = layer_table(rows)
        print(f"\nComplexity of one example\n{table}")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("complexity", table, trainer.global_step)


def scalars(rows: list[LayerProfile]) -> dict[str, int]:
    """The logged names and values of some profiles, as `ComplexityMonitor` lists them.

    Example:
        >>> scalars(profile_layers(torch.nn.Linear(4, 3), torch.ones(1, 4)))["macs/32bit"]
        12
    """
    total = total_profile(rows)
    weights = total.weight_memory
    return (
        {f"macs/{width}bit": total.macs[width] for width in sorted({1, 32, *total.macs})}
        | {"lookups/rows": total.lookups.rows, "lookups/additions": total.lookups.additions}
        | {f"parameters/{width}bit": total.parameters[width] for width in sorted({1, 32, *total.parameters})}
        | {"memory/weights_bytes": weights.stored, "memory/weights_float32_bytes": weights.float32}
        | {"memory/features_bytes": total.feature_memory}
    )


def encoding_scalars(rows: list[LayerProfile], encoding: Counter[int] | None) -> dict[str, int]:
    """The logged names and values of making the code, and of all from sensor to label; none if that is not known.

    Example:
        >>> rows = profile_layers(torch.nn.Linear(4, 3), torch.ones(1, 4))
        >>> encoding_scalars(rows, Counter({32: 8}))["macs/sensor_to_label/32bit"]
        20
    """
    if encoding is None:
        return {}
    whole = encoding + total_profile(rows).macs
    return {f"macs/encoding/{width}bit": encoding[width] for width in sorted({32, *encoding})} | {
        f"macs/sensor_to_label/{width}bit": whole[width] for width in sorted({1, 32, *whole})
    }


def energy_of(table: EnergyTable, rows: list[LayerProfile], encoding: Counter[int] | None) -> float:
    """Picojoules of one example by a table, with those of making the code if it is known.

    Example:
        >>> rows = profile_layers(torch.nn.Linear(4, 3, bias=False), torch.ones(1, 4))
        >>> energy_of(EnergyTable(mac={32: 1.0}, byte=0.0), rows, Counter({32: 8}))
        20.0
    """
    total = total_profile(rows)
    macs = total.macs + (encoding or Counter[int]())
    return table.picojoules(macs, total.lookups.additions, total.weight_memory.stored, total.feature_memory)


def part_scalars(rows: list[LayerProfile], part: str) -> dict[str, int]:
    """The logged names and values of one submodule and all that is in it.

    Raises:
        MisconfigurationException: If there is no layer in such a submodule.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
        >>> part_scalars(profile_layers(model, torch.ones(1, 4)), "1")["macs/1/32bit"]
        6
    """
    own = [row for row in rows if f"{row.name}.".startswith(f"{part}.")]
    if not own:
        names = sorted({row.name for row in rows})
        raise MisconfigurationException(f"ComplexityMonitor has no part {part!r} to count; the layers are {names}")
    last = part.rpartition(".")[2]
    return {name.replace("/", f"/{last}/"): value for name, value in scalars(own).items()}
