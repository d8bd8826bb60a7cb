"""How a model stands up to attacks that stay on the data's own grid, while it is trained and tested."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from lossy_lightning.callbacks.distortion import distances, distortion, is_image
from lossy_lightning.callbacks.inputs import first_tensor
from lossy_lightning.callbacks.round_trip import Victim, decoded, share, signal_shape, through_files, write_pictures
from lossy_lightning.codes import Codec, CodeSpec, FileCodec
from lossy_lightning.functional.attack.losses import cross_entropy
from lossy_lightning.functional.attack.self_check import (
    Comparison,
    categorical_attacks,
    compare_attacks,
    is_right,
    ordinal_attacks,
)
from lossy_lightning.functional.attack.straight_through import Forward


def second_item(batch: Any) -> Any:
    """The target of a batch ``(code, target, ...)``."""
    return batch[1]


def call(model: nn.Module, code: Tensor) -> Any:
    """The model's output."""
    return model(code)


class GradientAttackMonitor(Callback):
    """Attack some batches of validation and test, and log what comes of it.

    Ordinal codes are attacked by `projected_attack` with a budget of so many code values, by gradients that get past a
    stem without one; categorical codes by `substitution_attack` with so many replaced values. For each of ``steps`` it
    logs, under ``attack/…_step<steps>``, accuracy, the same after the real round trip (code to signal to code, and
    code to file to code), the size of the change and the masking index; docs/attacks.md lists every name. The model,
    its mode and gradients, and all random states are left as they were.

    Args:
        steps: Budgets: code values by which each value may change, or numbers of replaced values.
        codec: From code to signal and back, for the round trip, distortion and pictures; by default the datamodule's.
            Without one these are off.
        low: Least code value, one number or one a channel; by default that of the datamodule's or codec's spec. Codes
            with ``low`` and ``high`` given are ordinal.
        high: Greatest code value, inclusive.
        iterations: Of the gradient attack; 1 is the single step.
        num_batches: Batches of each validation or test that are attacked, the first ones of the first loader.
        every_n_epochs: Epochs of training between validations that are attacked; every test is.
        queries: Forward passes of the black-box self-check; 0 turns it off.
        temperatures: Of the logits, in the self-check against saturation.
        twin: A model of the same input, such as the float twin of a binary network, from which attacks are
            transferred in the self-check.
        seed: Of the black-box attack.
        input_fn: From a batch to its integer codes ``(N, C, *grid)``.
        target_fn: From a batch to its classes ``(N,)``.
        forward_fn: From the module and codes to logits ``(N, K)``. It is also given code values as float32; for a
            model of images in [0, 1] it is ``lambda model, code: model(code / 255)``.
        loss_fn: From logits and targets to the loss of each example ``(N,)``.

    Raises:
        ValueError: Where a number is out of range.

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
        loss_fn: Callable[[Tensor, Tensor], Any] = cross_entropy,
    ) -> None:
        if not steps or min(*steps, iterations, num_batches, every_n_epochs) < 1 or queries < 0:
            raise ValueError(
                "steps, iterations, num_batches and every_n_epochs are at least 1, and queries at least 0; "
                f"got {steps=}, {iterations=}, {num_batches=}, {every_n_epochs=}, {queries=}"
            )
        if (low is None) != (high is None):
            raise ValueError(f"a range has two ends; pass both low and high, or neither; got {low=}, {high=}")
        self.steps = tuple(steps)
        self.codec = codec
        self.low = low
        self.high = high
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
        """Attack the batch where it is due."""
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
        # Lightning validates in inference mode, whose tensors cannot carry a gradient; hence also the victim's clones.
        with torch.inference_mode(False), torch.enable_grad(), isolate_rng(), _left_as_found(pl_module, self.twin):
            victim = self._victim(trainer, pl_module, batch)
            measures = {"acc_clean": share(is_right(victim.forward, victim.code, victim.target))}
            for step in self.steps:
                compared = self._compared(victim, step)
                results = {
                    "acc": compared.accuracy,
                    "acc_naive": compared.naive_accuracy,
                    "acc_strongest": compared.strongest_accuracy,
                    "masking_index": compared.masking_index,
                } | self._changes(trainer, victim, compared.code, f"attack/pictures_step{step}", batch_idx == 0)
                measures |= {f"{name}_step{step}": value for name, value in results.items()}
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

    # What is attacked.

    def _victim(self, trainer: Trainer, pl_module: LightningModule, batch: Any) -> Victim:
        code, target = self.input_fn(batch).detach().clone(), self.target_fn(batch).detach().clone()
        if code.is_floating_point():
            raise MisconfigurationException(
                f"GradientAttackMonitor attacks integer codes, but input_fn gave {code.dtype}; pass an input_fn and a "
                "forward_fn, such as lambda batch: (255 * batch[0]).round().to(torch.uint8) and "
                "lambda model, code: model(code / 255)"
            )
        forward = self._forward(trainer, pl_module)
        try:
            with torch.no_grad():
                logits = forward(code)
        except (RuntimeError, ValueError, TypeError) as error:
            raise MisconfigurationException(
                f"the model cannot be run on integer codes ({error}); pass a forward_fn that can, such as "
                "lambda model, code: model(code / 255)"
            ) from error
        if logits.ndim != 2:
            raise MisconfigurationException(
                f"GradientAttackMonitor attacks classifiers, with logits (N, K); this model gave "
                f"{tuple(logits.shape)}: pass a forward_fn that returns logits"
            )
        return Victim(pl_module, forward, code, target, self._spec(trainer, code))

    def _forward(self, trainer: Trainer, model: nn.Module) -> Forward:
        precision = trainer.precision_plugin

        def forward(code: Tensor) -> Tensor:
            with precision.forward_context():
                logits: Tensor = self.forward_fn(model, precision.convert_input(code))
            return logits

        return forward

    def _codec(self, trainer: Trainer) -> Codec | None:
        codec = self.codec or getattr(getattr(trainer, "datamodule", None), "codec", None)
        if isinstance(codec, Codec):
            return codec
        self._say("GradientAttackMonitor has no codec, so round trip, distortion and pictures are off; pass codec=…")
        return None

    def _spec(self, trainer: Trainer, code: Tensor) -> CodeSpec:
        """The code's range and kind."""
        if self.low is not None and self.high is not None:
            channels = code.shape[1]
            ends = [(end,) * channels if isinstance(end, int) else tuple(end) for end in (self.low, self.high)]
            return CodeSpec(tuple(code.shape[1:]), ends[0], ends[1], ordinal=True)
        spec = getattr(getattr(trainer, "datamodule", None), "spec", None)
        if isinstance(spec, CodeSpec):
            return spec
        codec = self._codec(trainer)
        if codec is None:
            raise MisconfigurationException(
                "GradientAttackMonitor does not know the range of the codes; pass low and high, such as 0 and 255, "
                "or a codec"
            )
        return codec.spec(tuple(decoded(codec, code[:1], None).shape[1:]))

    # How it is attacked.

    def _compared(self, victim: Victim, budget: int) -> Comparison:
        twin = None
        if self.twin is not None:
            model = self.twin.to(victim.code.device)
            twin = model, lambda code: self.forward_fn(model, code)
        arguments = victim.forward, victim.model, victim.code, budget, victim.spec.low, victim.spec.high
        if victim.spec.ordinal:
            attacks = ordinal_attacks(
                *arguments,
                iterations=self.iterations,
                loss=self.loss_fn,
                temperatures=self.temperatures,
                queries=self.queries,
                twin=twin,
                seed=self.seed,
            )
        else:
            attacks = categorical_attacks(*arguments, loss=self.loss_fn, temperatures=self.temperatures, twin=twin)
        return compare_attacks(victim.forward, victim.code, victim.target, attacks)

    # What it changes.

    def _changes(self, trainer: Trainer, victim: Victim, moved: Tensor, tag: str, pictures: bool) -> dict[str, float]:
        """Size of the change in code and signal, and accuracies after the round trip."""
        sizes = {f"{name}_code": value for name, value in distances(victim.code, moved).items()}
        if not victim.spec.ordinal:
            del sizes["linf_code"]  # a difference of indices has no meaning
        codec = self._codec(trainer)
        if codec is None:
            return sizes
        shape = signal_shape(trainer)
        before, after = (decoded(codec, code, shape) for code in (victim.code, moved))
        again = codec.encode(after).to(moved)
        sizes["acc_roundtrip"] = share(is_right(victim.forward, again, victim.target))
        sizes |= {f"{name}_signal": value for name, value in distances(before, after).items()}
        by_kind = distortion(before, after)
        if not by_kind:
            kind = f"{before.dtype} of shape {tuple(before.shape[1:])}"
            self._say(f"GradientAttackMonitor knows no distortion for signals of {kind}: L-infinity and L0 only")
        if isinstance(codec, FileCodec):
            sizes |= through_files(codec, victim, moved, tuple(before.shape[1:]))
        if pictures and is_image(before) and trainer.is_global_zero:
            write_pictures(trainer, before, after, tag)
        return sizes | by_kind

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            rank_zero_info(text)


@contextmanager
def _left_as_found(*models: nn.Module | None) -> Iterator[None]:
    """The models in eval mode; modes and buffers are as before in the end."""
    given = [model for model in models if model is not None]
    modes = [(module, module.training) for model in given for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for model in given for buffer in model.buffers()]
    for model in given:
        model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, before in buffers:
                if not torch.equal(buffer, before):
                    buffer.copy_(before)
