"""How robust a model is to attacks on the data's own grid, measured during training and test."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor, nn

from lossy_lightning.attacks import (
    MASKING_THRESHOLD,
    Attacks,
    categorical_attacks,
    compare_attacks,
    cross_entropy,
    margin,
    ordinal_attacks,
    uphill,
)
from lossy_lightning.callbacks._changes import changes
from lossy_lightning.callbacks._datamodule import codec_of_data
from lossy_lightning.callbacks._labels import logits_of
from lossy_lightning.callbacks._victim import Victim, find_victim, forward_of, prepare
from lossy_lightning.callbacks.inputs import first_tensor, second_item
from lossy_lightning.core import Codec, InputError
from lossy_lightning.functional import undisturbed

_QUERIES_IN_TRAINING = 50
_MASKED = (
    f"GradientAttackMonitor: a masking index is above {MASKING_THRESHOLD}, so the model's own gradient hides how weak "
    "the model is; read attack/acc_strongest_step<s>"
)
_NO_GRADIENT = (
    "GradientAttackMonitor: no gradient reaches the input, so it asks for answers only; make a forward_fn with a "
    "gradient by `straight_through`, or let a module of the model read the integer code itself"
)


def call(model: nn.Module, code: Tensor) -> Any:
    """The model's output."""
    return model(code)


class GradientAttackMonitor(Callback):
    """Attacks some batches of validation and test, and logs the results.

    Ordinal fields are attacked by `projected_attack` with a budget in code values, using surrogate gradients if the
    stem has none; categories by `substitution_attack` with so many replaced values. One attack changes fields of one
    kind only, and what is absent stays absent. For each of ``steps`` it logs, under ``attack/…_step<steps>``, accuracy,
    the same after the real round trip (code to signal to code, and code to file to code), the size of the change and
    the masking index; docs/attacks.md lists every name. All is left as it was.

    Args:
        steps: Budgets: code values by which each value may change, or numbers of replaced values.
        codec: From code to signal and back, for the round trip, distortion and pictures; by default the datamodule's.
            Without one these are off.
        low: Least code value, one number or one per channel; by default that of the datamodule's or codec's spec. Codes
            with ``low`` and ``high`` given are ordinal.
        high: Greatest code value, inclusive.
        fields: Names of the fields to attack, all of one kind; by default all ordinal ones, or all categories of a
            code without these. Constant fields are never attacked.
        iterations: Of the gradient attack; 1 is a single step.
        num_batches: Batches of each validation or test that are attacked, the first ones of the first loader.
        every_n_epochs: Epochs of training between validations that are attacked; every test is.
        queries: Of the black-box self-check, for each example that nothing else broke, and at most 50 in validations
            while training; 0 turns it off.
        student_queries: Of the self-check by a student, a small network trained to answer as the model does: at most so
            many in all, and 200 an example; 0 turns it off, as it is in validations while training.
        draws: Gradients that a self-check averages, against random and erratic ones; 0 turns it off.
        temperatures: Of the logits, in the self-check against saturation.
        twin: A model of the same input, such as a binary network's float twin, from which attacks are carried over.
        seed: Of the self-checks.
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
        queries: int = 1000,
        student_queries: int = 20_000,
        draws: int = 8,
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
            or min(queries, student_queries, draws) < 0
        ):
            raise InputError(
                "steps, iterations, num_batches and every_n_epochs are at least 1, and queries, student_queries and "
                f"draws at least 0; got {steps=}, {iterations=}, {num_batches=}, {every_n_epochs=}, {queries=}, "
                f"{student_queries=}, {draws=}"
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
        self.student_queries = student_queries
        self.draws = draws
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
            attacks = self._attacks(trainer, victim, step)
            compared = compare_attacks(victim.forward, victim.code, victim.target, attacks)
            if compared.masked:
                self._say(_MASKED)
            results = {
                "acc": compared.accuracy,
                "acc_naive": compared.naive_accuracy,
                "acc_strongest": compared.strongest_accuracy,
                "masking_index": compared.masking_index,
            } | changes(trainer, victim, compared.code, f"attack/pictures_step{step}", pictures, self._say)
            if victim.ordinal:
                results["uphill"] = uphill(
                    victim.forward, attacks.own, victim.code, victim.target, max(1, step // 4), victim.spec.low,
                    victim.spec.high, loss=self.loss_fn, fixed=victim.fixed, seed=self.seed,
                )  # fmt: skip
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
            training = trainer.state.fn == TrainerFn.FITTING  # the dear checks would slow it many times over
            attacks = ordinal_attacks(
                *arguments,
                iterations=self.iterations,
                loss=self.loss_fn,
                then=margin if victim.classifies else None,
                temperatures=self.temperatures,
                draws=self.draws,
                queries=min(self.queries, _QUERIES_IN_TRAINING) if training else self.queries,
                student_queries=0 if training else self.student_queries,
                twin=twin,
                fixed=victim.fixed,
                seed=self.seed,
            )
            if attacks.own is None:
                self._say(_NO_GRADIENT)
            return attacks
        return categorical_attacks(
            *arguments, loss=self.loss_fn, temperatures=self.temperatures, twin=twin, fixed=victim.fixed
        )

    def _codec(self, trainer: Trainer) -> Codec | None:
        codec = self.codec or codec_of_data(trainer)
        if codec is None:
            self._say("GradientAttackMonitor has no codec, so it measures no round trip nor distortion; pass codec=…")
        return codec

    def _say_what_stays(self, victim: Victim) -> None:
        others = [field.name for field in victim.spec.fields if field.name not in victim.fields]
        if others and self.fields is None:
            given = list(victim.fields)
            self._say(f"GradientAttackMonitor attacks the fields {given}; {others} stay, or pass fields=…")

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            rank_zero_info(text)

    def _warn(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            rank_zero_warn(text)
