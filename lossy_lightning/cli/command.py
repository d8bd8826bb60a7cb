"""The command line: Lightning's, which also links the data's spec to the model, tests after each fit, and reports."""

import os
import sys
import warnings
from inspect import signature
from typing import Any, Literal

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.model_helpers import is_overridden

from lossy_lightning import __version__
from lossy_lightning.callbacks import (
    BestCheckpoint,
    PredictionTable,
    Provenance,
    RandomStates,
    RateMonitor,
    RunSettings,
    SpeedMonitor,
    TestedWeights,
)
from lossy_lightning.cli._checks import check_checkpoint, check_functions, without_pages
from lossy_lightning.cli._foreign import told
from lossy_lightning.cli._names import short_names, show_classes
from lossy_lightning.cli._parser import Parser
from lossy_lightning.cli._saving import SaveConfig
from lossy_lightning.cli.commands import COMMANDS
from lossy_lightning.core import InputError

_LINKED = ("spec", "num_classes")
"""What goes from data to model."""


class LossyCLI(LightningCLI):
    """`LightningCLI` with two links, a test after fit, and what a report needs in each run.

    ``data.spec`` and ``data.num_classes`` go to the model's arguments of these names, if both sides have them; any
    other LightningModule or LightningDataModule runs unchanged. After ``fit`` the best checkpoint is tested into the
    same run, if model and data have a test; ``--test_after_fit last`` tests the last epoch, ``false`` nothing. Which
    epoch is best, `BestCheckpoint` finds by validation, unless the configuration has a checkpoint callback of its own.

    Each run has `Provenance`, `RunSettings`, `TestedWeights`, `PredictionTable`, `SpeedMonitor` and `RateMonitor`
    beside the callbacks of its configuration, so that ``lossy-lightning report`` knows where its numbers come from, and
    `RandomStates`, so that a fit that goes on from a checkpoint is as one that was not interrupted.

    Example:
        >>> from lossy_lightning.data import Digits
        >>> from lossy_lightning.tasks import ClassificationTask
        >>> arguments = ["--data.codec", "PCM", "--model.stem", "Bits", "--model.backbone", "MLP"]
        >>> cli = LossyCLI(ClassificationTask, Digits, run=False, seed_everything_default=0, args=arguments)
        >>> cli.model.spec == cli.datamodule.spec, type(cli.model.stem).__name__
        (True, 'Bits')
    """

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """A parser that tells mistakes in one sentence."""
        self.parser_class = Parser
        return super().init_parser(**kwargs, allow_abbrev=False)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse; classes of this package may be named without their path."""
        given = sys.argv[1:] if args is None else args
        if isinstance(given, list):
            show_classes(given)
        with short_names():
            super().parse_arguments(parser, args)
        check_checkpoint(self.config)

    def _parse_ckpt_path(self) -> None:
        """Take over hyperparameters; Lightning stores what it links there even if the model has no such argument."""
        key = f"{self.config.get('subcommand')}.model.dict_kwargs"
        given = self.config.get(key, {})
        super()._parse_ckpt_path()
        kept = self.config.get(key, {})
        for name in _LINKED:
            if name not in given:
                kept.pop(name, None)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the links and the switch."""
        for name in _LINKED:
            if self.subclass_mode_model:
                parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
            elif name in signature(self._model_class).parameters:
                parser.link_arguments(f"data.{name}", f"model.{name}", apply_on="instantiate")
        parser.add_argument(
            "--test_after_fit",
            type=Literal["best", "last"] | bool,
            default="best",
            help="Test the best epoch by validation after fit, or the last; false for no test.",
        )

    def before_instantiate_classes(self) -> None:
        """Add the callbacks that every run has."""
        given = self.trainer_defaults.get("callbacks", [])
        given = given if isinstance(given, list) else [given]
        own = [Provenance(), RunSettings(), TestedWeights(), PredictionTable(), SpeedMonitor(), RateMonitor()]
        # Random states come first, before what others draw as an epoch starts.
        self.trainer_defaults = {**self.trainer_defaults, "callbacks": [RandomStates(), *given, *own]}

    def instantiate_classes(self) -> None:
        """Make data, model and trainer.

        Raises:
            UserError: A mistake in the arguments of a class, without the parser's page around it.
        """
        check_functions(self.config)
        without_pages(super().instantiate_classes)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Make the trainer, which keeps the best epoch if nothing else says what to keep.

        Raises:
            InputError: If it refuses an argument.
        """
        given = {**self._get(self.config_init, "trainer", default={}), **kwargs}
        callbacks = given.get("callbacks") or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        keeps = given.get("enable_checkpointing") is not False and not given.get("barebones")
        if keeps and self._tested() != "last" and not any(isinstance(each, Checkpoint) for each in callbacks):
            self.trainer_defaults["callbacks"].append(BestCheckpoint())
        try:
            return super().instantiate_trainer(**kwargs)
        except (ValueError, TypeError) as error:
            raise InputError(f"trainer: {' '.join(str(error).split())}") from error

    def after_fit(self) -> None:
        """Test into the run of the fit."""
        trainer, tested = self.trainer, self._tested()
        if not tested or trainer.interrupted or not self._has_test():
            return
        best = "" if tested == "last" else getattr(trainer.checkpoint_callback, "best_model_path", "")
        trainer.test(self.model, datamodule=self.datamodule, ckpt_path=best or None)

    def _tested(self) -> str | bool:
        """What is tested after fit: "best", "last", or False."""
        tested: str | bool = self._get(self.config, "test_after_fit")
        return "best" if tested is True else tested

    def _has_test(self) -> bool:
        """Whether model and data, which may be foreign, have a test."""
        data = self.model if self.datamodule is None else self.datamodule
        return is_overridden("test_step", self.model) and is_overridden("test_dataloader", data)


def main(args: ArgsType = None) -> None:
    """Run the command line.

    A mistake is one sentence on standard error; the environment variable ``JSONARGPARSE_DEBUG=true`` brings its
    traceback. Any other error keeps it.

    Args:
        args: Instead of the process's arguments.

    Raises:
        SystemExit: With that sentence.
    """
    # Cached codes are memory-mapped: a loader without workers is no bottleneck here.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    # Between Lightning and torch, no concern of a user.
    warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
    given = sys.argv[1:] if args is None else args
    try:
        if isinstance(given, list) and given and given[0] in COMMANDS:
            COMMANDS[given[0]].load()(given[1:])
            return
        LossyCLI(
            save_config_callback=SaveConfig,
            args=args,
            parser_kwargs={"prog": "lossy-lightning", "version": __version__},
        )
    except Exception as error:
        sentence = told(error)
        if sentence is None or os.environ.get("JSONARGPARSE_DEBUG") == "true":
            raise
        sys.exit(f"lossy-lightning: {sentence}")
