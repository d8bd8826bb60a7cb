"""The command line: Lightning's own, with a datamodule's spec handed to the model, a test after each fit, a report."""

import os
import sys
import traceback
import warnings
from pathlib import Path

from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.model_helpers import is_overridden

from lossy_lightning.callbacks import Provenance, RateMonitor, SpeedMonitor
from lossy_lightning.report.command import report


class LossyCLI(LightningCLI):
    """`LightningCLI` with two links, a test after fit, and what a report needs in each run.

    ``data.spec`` and ``data.num_classes`` go to the model's arguments of these names, where both sides have them; any
    other LightningModule or LightningDataModule runs as it is. After ``fit`` the best checkpoint (the last one where
    nothing is monitored) is tested into the same run, where model and data have a test;
    ``--test_after_fit false`` turns it off.

    Each run has `Provenance`, `SpeedMonitor` and `RateMonitor` beside the callbacks of its configuration, so that
    ``lossy-lightning report`` knows where its numbers come from.
    """

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the links and the switch."""
        parser.link_arguments("data.spec", "model.init_args.spec", apply_on="instantiate")
        parser.link_arguments("data.num_classes", "model.init_args.num_classes", apply_on="instantiate")
        parser.add_argument("--test_after_fit", type=bool, default=True, help="Test the best checkpoint after fit.")

    def before_instantiate_classes(self) -> None:
        """Add the callbacks that every run has."""
        given = self.trainer_defaults.get("callbacks", [])
        given = given if isinstance(given, list) else [given]
        own = [Provenance(), SpeedMonitor(), RateMonitor()]
        self.trainer_defaults = {**self.trainer_defaults, "callbacks": [*given, *own]}

    def instantiate_classes(self) -> None:
        """Make data, model and trainer.

        Raises:
            ValueError: What a class says to its arguments, in place of the parser's page around it.
        """
        cause: BaseException | None = None
        try:
            super().instantiate_classes()
        except ValueError as error:
            cause = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
        if cause is not None:  # raised out here, lest the page be its context
            raise cause

    def after_fit(self) -> None:
        """Test into the run of the fit."""
        trainer = self.trainer
        if not self.config["fit"]["test_after_fit"] or trainer.interrupted or not self._has_test():
            return
        best = getattr(trainer.checkpoint_callback, "best_model_path", "")
        trainer.test(self.model, datamodule=self.datamodule, ckpt_path=best or None)

    def _has_test(self) -> bool:
        """Whether a model and data that are not ours know what a test is."""
        data = self.model if self.datamodule is None else self.datamodule
        return is_overridden("test_step", self.model) and is_overridden("test_dataloader", data)


def main(args: ArgsType = None) -> None:
    """Run the command line.

    What this package says of a mistake is one sentence on standard error; the environment variable
    ``JSONARGPARSE_DEBUG=true`` brings the traceback. Any other error keeps its own.

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
    if isinstance(given, list) and given[:1] == ["report"]:
        report(given[1:])
        return
    try:
        LossyCLI(
            args=args, parser_kwargs={"epilog": "A further subcommand, `report RUN_DIR...`, compares logged runs."}
        )
    except Exception as error:
        if os.environ.get("JSONARGPARSE_DEBUG") == "true" or not _says_it_all(error):
            raise
        sys.exit(f"lossy-lightning: {error}")


def _says_it_all(error: BaseException | None) -> bool:
    """Whether an error and its causes come from ``raise`` statements of this package, not from what it calls."""
    if error is None:
        return True
    frames = traceback.extract_tb(error.__traceback__)
    own = bool(frames) and Path(frames[-1].filename).is_relative_to(Path(__file__).parent)
    return own and (frames[-1].line or "").startswith("raise ") and _says_it_all(error.__cause__)
