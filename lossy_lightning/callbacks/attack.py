"""How robust a model is to attacks on the data's own grid, measured during training and test."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor, nn

from lossy_lightning.attacks import Attacks, categorical_attacks, compare_attacks, cross_entropy, ordinal_attacks
from lossy_lightning.callbacks._datamodule import codec_of_data, signal_shape
from lossy_lightning.callbacks._distortion import distances, distortion, is_image
from lossy_lightning.callbacks._labels import logits_of
from lossy_lightning.callbacks._round_trip import (
    decoded,
    through_files,
    write_pictures,
)
from lossy_lightning.callbacks._victim import Victim, find_victim, forward_of, prepare
from lossy_lightning.callbacks.inputs import first_tensor, second_item
from lossy_lightning.core import Codec, FileCodec, InputError
from lossy_lightning.functional import undisturbed


def call(model: nn.Module, code: Tensor) -> Any:
    """The model's output."""
    return model(code)


class GradientAttackMonitor(Callback):
    """Attacks some batches of validation and test, and logs the results.

    Ordinal fields are attacked by `projected_attack` with a budget in code values, using surrogate gradients if the
    stem has none; categories by `substitution_attack` with so many replaced values. One attack changes fields of one
    kind only, and what is absent stays absent. For each of ``steps`` it logs, under ``attack/…_step<steps>``, accuracy,
    the same after the real round trip (code to signal to code, and code to file to code), the size of the change and
    the masking index; docs/attacks.md lists every name. The model, its mode and gradients, and all random states are
    left as they were.

    Args:
        steps: Budgets: code values by which each value may change, or numbers of replaced values.
        codec: From code to signal and back, for the round trip, distortion and pictures; by default the datamodule's.
            Without one these are off.
        low: Least code value, one number or one per channel; by default that of the datamodule's or codec's spec. Codes
            with ``low`` and ``high`` given are ordinal.
        high: Greatest code value, inclusive.
        fields: Names of the fields to attack, all of one kind; by default all ordinal ones, or all categories of a
            code without these. Constant fields, such as quantization tables, are never attacked.
        iterations: Of the gradient attack; 1 is a single step.
        num_batches: Batches of each validation or test that are attacked, the first ones of the first loader.
        every_n_epochs: Epochs of training between validations that are attacked; every test is.
        queries: Forward passes of the black-box self-check; 0 turns it off.
        temperatures: Of the logits, in the self-check against saturation.
        twin: A model of the same input, such as the float twin of a binary network, from which attacks are
            transferred in the self-check.
        seed: Of the black-box attack.
        input_fn: From a batch to its integer codes ``(N, C, *grid)``.
        target_fn: From a batch to its classes ``(N,)``, or soft labels ``(N, K)``.
        forward_fn: From the module and codes to logits ``(N, K)``. It is also given code values as float32; for a
            model of images in [0, 1] it is ``lambda model, code: model(code / 255)``.
        output_fn: From what ``forward_fn`` returns to logits ``(N, K)``; by default what a dict has as ``"logits"``.
        loss_fn: From logits and targets to the loss of each example ``(N,)``. If the model is no classifier, it is all
            that is attacked and logged.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> GradientAttackMonitor(steps=(1, 8), every_n_epochs=5).steps
        (1, 8)
    """

    def __init__(
        self,
        steps: Sequence[int] = (1, 2, 4),
        codec: Codec | None = None,
        low: int | tuple[int, ...] | None = None,
        high: int | tuple[int, ...] | None = None,
        fields: Sequence[str] | None = None,
        iterations: int = 10,
        num_batches: int = 1,
        every_n_epochs: int = 1,
        queries: int = 50,
        temperatures: Sequence[float] = (0.1, 10.0),
        twin: nn.Module | None = None,
        seed: int = 0,
        # Returning Any: the command line would take a callable that returns a class for that class's factory.
        input_fn: Callable[[Any], Any] = first_tensor,
        target_fn: Callable[[Any], Any] = second_item,
        forward_fn: Callable[[Any, Tensor], Any] = call,
        output_fn: Callable[[Any], Any] = logits_of,
        loss_fn: Callable[[Tensor, Tensor], Any] = cross_entropy,
    ) -> None:
        if (
            not isinstance(steps, Sequence)
            or not steps
            or min(*steps, iterations, num_batches, every_n_epochs) < 1
            or queries < 0
        ):
            raise InputError(
                "steps, iterations, num_batches and every_n_epochs are at least 1, and queries at least 0; "
                f"got {steps=}, {iterations=}, {num_batches=}, {every_n_epochs=}, {queries=}"
            )
        if (low is None) != (high is None):
            raise InputError(f"a range has two ends; pass both low and high, or neither; got {low=}, {high=}")
        self.steps = tuple(steps)
        self.codec = codec
        self.low = low
        self.high = high
        self.fields = fields
        self.iterations = iterations
        self.num_batches = num_batches
        self.every_n_epochs = every_n_epochs
        self.queries = queries
        self.temperatures = tuple(temperatures)
        self.twin = twin
        self.seed = seed
        self.input_fn = input_fn
        self.target_fn = target_fn
        self.forward_fn = forward_fn
        self.output_fn = output_fn
        self.loss_fn = loss_fn
        self._said: set[str] = set()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Attack the batch if it is due."""
        training = trainer.state.fn == TrainerFn.FITTING
        due = not training or (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if due and not trainer.sanity_checking:
            self._attack_batch(trainer, pl_module, batch, batch_idx, dataloader_idx)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Attack the batch."""
        self._attack_batch(trainer, pl_module, batch, batch_idx, dataloader_idx)

    def _attack_batch(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int
    ) -> None:
        if batch_idx >= self.num_batches or dataloader_idx:
            return
        if self.twin is not None:
            self.twin.to(pl_module.device)
        models = nn.ModuleList(model for model in (pl_module, self.twin) if model is not None)
        try:
            # Lightning tests in inference mode, whose tensors cannot carry a gradient, so they are cloned.
            with torch.inference_mode(False), undisturbed(models, batch, self.input_fn, self.target_fn):
                prepare(models)
                with torch.enable_grad():
                    victim = self._victim(trainer, pl_module, batch)
                    measures = self._measures(trainer, victim, pictures=batch_idx == 0)
        except Exception as error:  # a training goes on without what cannot be measured
            self._warn(f"GradientAttackMonitor leaves the attack out: {error}")
            return
        for name, value in measures.items():
            pl_module.log(
                f"attack/{name}",
                value,
                on_step=False,
                on_epoch=True,
                sync_dist=True,
                batch_size=len(victim.code),
                add_dataloader_idx=False,
            )

    def _victim(self, trainer: Trainer, model: nn.Module, batch: Any) -> Victim:
        return find_victim(
            trainer,
            self.input_fn(batch).detach().clone(),
            torch.as_tensor(self.target_fn(batch)).detach().clone(),
            model,
            self._codec(trainer),
            self.low,
            self.high,
            self.fields,
            forward_of(trainer, model, self.forward_fn, self.output_fn),
            loss_given=self.loss_fn is not cross_entropy,
        )

    def _measures(self, trainer: Trainer, victim: Victim, pictures: bool) -> dict[str, float]:
        """All that is logged of a batch."""
        self._say_what_stays(victim)
        if not victim.classifies:
            return self._losses(trainer, victim)
        measures = {"acc_clean": victim.accuracy(victim.code)}
        for step in self.steps:
            compared = compare_attacks(victim.forward, victim.code, victim.target, self._attacks(trainer, victim, step))
            results = {
                "acc": compared.accuracy,
                "acc_naive": compared.naive_accuracy,
                "acc_strongest": compared.strongest_accuracy,
                "masking_index": compared.masking_index,
            } | self._changes(trainer, victim, compared.code, f"attack/pictures_step{step}", pictures)
            measures |= {f"{name}_step{step}": value for name, value in results.items()}
        return measures

    def _losses(self, trainer: Trainer, victim: Victim) -> dict[str, float]:
        """Mean loss before and after the attack, of a model that is no classifier."""

        def loss(code: Tensor) -> float:
            with torch.no_grad():
                return float(self.loss_fn(victim.forward(code), victim.target).mean())

        moved = {step: self._attacks(trainer, victim, step).adaptive(victim.code, victim.target) for step in self.steps}
        return {"loss_clean": loss(victim.code)} | {f"loss_step{step}": loss(code) for step, code in moved.items()}

    def _attacks(self, trainer: Trainer, victim: Victim, budget: int) -> Attacks:
        twin = None
        if self.twin is not None:
            twin = self.twin, forward_of(trainer, self.twin, self.forward_fn, self.output_fn)
        arguments = victim.forward, victim.model, victim.code, budget, victim.spec.low, victim.spec.high
        if victim.ordinal:
            return ordinal_attacks(
                *arguments,
                iterations=self.iterations,
                loss=self.loss_fn,
                temperatures=self.temperatures,
                queries=self.queries,
                twin=twin,
                fixed=victim.fixed,
                seed=self.seed,
            )
        return categorical_attacks(
            *arguments, loss=self.loss_fn, temperatures=self.temperatures, twin=twin, fixed=victim.fixed
        )

    def _changes(self, trainer: Trainer, victim: Victim, moved: Tensor, tag: str, pictures: bool) -> dict[str, float]:
        """Size of the change in code and signal, and accuracies after the round trip."""
        sizes = {f"{name}_code": value for name, value in distances(victim.code, moved).items()}
        if not victim.ordinal:
            del sizes["linf_code"]  # a difference of indices has no meaning
        codec = victim.codec
        if codec is None:
            return sizes
        shape = signal_shape(trainer)
        before, after = (decoded(codec, code, shape) for code in (victim.code, moved))
        sizes["acc_roundtrip"] = victim.accuracy(codec.encode(after).to(moved))
        sizes |= {f"{name}_signal": value for name, value in distances(before, after).items()}
        by_kind = distortion(before, after)
        if not by_kind:
            kind = f"{before.dtype} of shape {tuple(before.shape[1:])}"
            self._say(f"GradientAttackMonitor knows no distortion for signals of {kind}: L-infinity and L0 only")
        if isinstance(codec, FileCodec):
            again, file_sizes = through_files(codec, victim.code, moved, tuple(before.shape[1:]))
            sizes |= {"acc_file": victim.accuracy(again)} | file_sizes
        if pictures and is_image(before) and trainer.is_global_zero:
            write_pictures(trainer, before, after, tag)
        return sizes | by_kind

    def _codec(self, trainer: Trainer) -> Codec | None:
        codec = self.codec or codec_of_data(trainer)
        if codec is None:
            self._say("GradientAttackMonitor has no codec, so it measures no round trip nor distortion; pass codec=…")
        return codec

    def _say_what_stays(self, victim: Victim) -> None:
        others = [field.name for field in victim.spec.fields if field.name not in victim.fields]
        if others and self.fields is None:
            self._say(
                f"GradientAttackMonitor attacks the fields {list(victim.fields)}; {others} stay, or pass fields=…"
            )

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            rank_zero_info(text)

    def _warn(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            rank_zero_warn(text)
