"""What a module costs, logged beside its accuracy."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn
from torch.utils._pytree import tree_leaves

from lossy_lightning.callbacks._datamodule import codec_of_data, signal_shape
from lossy_lightning.callbacks._examples import calls
from lossy_lightning.callbacks._figures import encoding_scalars, energy_of, part_scalars, scalars
from lossy_lightning.callbacks.inputs import first_tensor
from lossy_lightning.core import Codec, InputError, TrainableCodec
from lossy_lightning.functional import hooks_of, undisturbed
from lossy_lightning.media import log_text
from lossy_lightning.profiling import (
    EnergyTable,
    LayerProfile,
    count_encoding_macs,
    folded_layers,
    layer_table,
    profile_forward,
    unseen_message,
)

_OF_THE_CODEC = ("encoding", "sensor_to_label")


class ComplexityMonitor(Callback):
    """Logs multiply-accumulates, look-ups, parameters and memory of one example, in fit, validate and test.

    The first batch of each training epoch, and of each separate validation or test, is measured by one more forward of
    its first example, in evaluation mode and at the trainer's precision. Examples of different size, in a list or
    packed, are measured together, and the figures are their means. That changes nothing of what the module, the batch
    or ``input_fn`` hold, nor random states. What cannot be measured is said once, by name, and left out: the run goes
    on. A table is printed once per fit, of 20 rows at most: of more layers those in one module are summed. TensorBoard
    gets all as text.

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
        input_fn: Takes a batch and returns what the module's `forward` takes: one argument, a tuple of several, or a
            dict whose keys are names of its parameters. Batches may be lists, dicts, dataclasses and the like.
        parts: Names of submodules whose share is logged too: ``stem.codec.encoder`` as ``macs/encoder/1bit``, …
        energy: Picojoules of operations and bytes; None logs no energy. ``energy/estimated_picojoules`` is documented
            arithmetic on the figures above, sensor to label, and no measurement.

    Raises:
        ValueError: If two parts end in one name, or in that of another figure.
        MisconfigurationException: When a run starts, if the module has no such part.

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
        self._tried = False
        self._said: set[str] = set()
        self._encoded: tuple[Codec, Counter[int] | None] | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the parts, count what making the code costs; show the table once in this fit."""
        _check_parts(pl_module, self.parts)
        self._tried = False
        codec = codec_of_data(trainer)
        if not isinstance(codec, TrainableCodec) or codec.fitted:
            self._encoding(trainer)  # now rather than in the first batch

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the parts."""
        _check_parts(pl_module, self.parts)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the parts."""
        _check_parts(pl_module, self.parts)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Measure the first batch of an epoch, and the first of a fit that goes on within one."""
        if batch_idx == 0 or not self._tried:
            measured = self._measure(trainer, pl_module, batch, trainer.train_dataloader)
            if measured is not None and not self._tried:
                _show(trainer, pl_module, *measured)
            self._tried = True

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Measure the first batch of a validation that is not part of a fit."""
        if batch_idx == dataloader_idx == 0 and trainer.state.fn != TrainerFn.FITTING:
            self._measure(trainer, pl_module, batch, trainer.val_dataloaders)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Measure the first batch of a test."""
        if batch_idx == dataloader_idx == 0:
            self._measure(trainer, pl_module, batch, trainer.test_dataloaders)

    def _measure(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, loaders: Any
    ) -> tuple[list[LayerProfile], int] | None:
        """Measure and log; returns the profiles and the number of their examples, None if it could not be measured."""
        measured = None
        try:
            with undisturbed(pl_module, batch, self.input_fn, hooks_of(pl_module)):
                pl_module.log = pl_module.log_dict = _ignore  # type: ignore[method-assign]
                measured = self._profile(trainer, pl_module, batch, _batch_size(loaders))
        except Exception as error:  # whatever forward says to a wrong input, and whatever cannot be put back
            self._say(
                f"ComplexityMonitor measures nothing: it could not run {type(pl_module).__name__}.forward on what its "
                f"input_fn made of a batch of type {type(batch).__name__} ({type(error).__name__}: {error}). "
                "Give an input_fn that takes the batch and returns what forward takes."
            )
        if not trainer.strategy.reduce_boolean_decision(measured is not None) or measured is None:
            return None  # a rank that logs alone would wait for the others
        rows, examples = measured
        # every rank logs the same: the logger writes once
        figures = scalars(rows, examples)
        for part in self.parts:
            figures |= part_scalars(rows, part, examples)
        encoding = self._encoding(trainer)
        figures |= encoding_scalars(rows, encoding, examples)
        figures |= self._energy(rows, encoding, examples)
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
        return rows, examples

    def _encoding(self, trainer: Trainer) -> Counter[int] | None:
        """Multiply-accumulates of making the code, None if there is no codec of ours or its signals vary in shape."""
        codec, shape = codec_of_data(trainer), signal_shape(trainer)
        if codec is None or shape is None:
            return None
        if self._encoded is None or self._encoded[0] is not codec:
            try:
                self._encoded = codec, count_encoding_macs(codec, shape)
            except Exception as error:  # whatever a codec of anybody's raises
                self._say(f"ComplexityMonitor leaves out what encoding costs: {codec} could not be counted: {error}")
                self._encoded = codec, None
        return self._encoded[1]

    def _energy(self, rows: list[LayerProfile], encoding: Counter[int] | None, examples: int) -> dict[str, float]:
        if self.energy is None:
            return {}
        try:
            return {"energy/estimated_picojoules": energy_of(self.energy, rows, encoding, examples)}
        except InputError as error:  # products of a width that the table lacks
            self._say(f"ComplexityMonitor leaves out energy: {error}")
            return {}

    def _profile(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_size: int | None
    ) -> tuple[list[LayerProfile], int]:
        """Profiles of the first way to call `forward` that works, and the number of its examples."""
        errors: list[Exception] = []
        for arguments, keywords, examples in calls(pl_module.forward, self.input_fn(batch), batch_size):
            try:
                with trainer.precision_plugin.forward_context():
                    profile = profile_forward(pl_module, arguments, keywords)
            except Exception as error:  # another way may do
                errors.append(error)
                continue
            if profile.unseen:
                self._say(f"ComplexityMonitor: {unseen_message(profile.unseen)}")
            return profile.layers, examples
        raise errors[0]

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            rank_zero_warn(text)


def _ignore(*args: Any, **kwargs: Any) -> None:
    """What `forward` logs while it is measured is no part of the training."""


def _batch_size(loaders: Any) -> int | None:
    """Batch size of the first loader, None if it has none."""
    size = getattr(next(iter(tree_leaves(loaders)), None), "batch_size", None)
    return size if isinstance(size, int) else None


def _check_parts(module: LightningModule, parts: Sequence[str]) -> None:
    """Check the names of parts.

    Raises:
        MisconfigurationException: If there is no such submodule.
    """
    names = [name for name, _ in module.named_modules() if name]
    for part in parts:
        if part not in names:
            raise MisconfigurationException(f"ComplexityMonitor has no part {part!r} to count; the layers are {names}")


def _show(trainer: Trainer, module: LightningModule, rows: list[LayerProfile], examples: int) -> None:
    """Print a table that fits on a screen, without breaking a progress bar; loggers get all layers."""
    shown = folded_layers(rows)
    folded = "" if len(shown) == len(rows) else f", {len(rows)} layers by the modules that hold them"
    heading = f"Complexity of {'one example' if examples == 1 else f'{examples} examples together'}{folded}"
    module.print(f"\n{heading}\n{layer_table(shown)}")
    if trainer.is_global_zero:
        # As code: TensorBoard breaks the cells of a table within words.
        text = "\n".join(f"    {line}" for line in layer_table(rows).splitlines())
        log_text(trainer.loggers, "complexity", text, trainer.global_step)
