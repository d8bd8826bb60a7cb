"""The command line: Lightning's, which also links the data's spec to the model, tests after each fit, and reports."""

from lossy_lightning.cli.command import LossyCLI, main

__all__ = ["LossyCLI", "main"]
