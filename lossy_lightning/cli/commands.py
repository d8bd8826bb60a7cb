"""The commands beside Lightning's own, each imported only if it is called."""

import importlib
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Command(NamedTuple):
    """A command.

    Attributes:
        module: Where its function is.
        function: Takes the arguments behind the command's name.
        example: How it is called.
        help: What it does, in some words.
    """

    module: str
    function: str
    example: str
    help: str

    def load(self) -> Callable[[Sequence[str]], None]:
        """The function."""
        loaded: Callable[[Sequence[str]], None] = getattr(importlib.import_module(self.module), self.function)
        return loaded


COMMANDS = {
    "info": Command(
        "lossy_lightning.cli.inspection",
        "info",
        "info photo.jpg song.mp3",
        "tell what files hold: headers, tables, fields and shape of the code",
    ),
    "show": Command(
        "lossy_lightning.cli.inspection",
        "show",
        "show photo.jpg --output code.png",
        "draw the code of a file beside the decoded signal",
    ),
    "encode": Command(
        "lossy_lightning.cli.encoding",
        "encode",
        "encode --input photos --codec JPEG --output codes",
        "write the codes of a data set, a file or shards a split",
    ),
    "export": Command(
        "lossy_lightning.cli.exporting",
        "export",
        "export --checkpoint best.ckpt --format packed --output digits.packed",
        "write a trained network for other programs",
    ),
    "predict-files": Command(
        "lossy_lightning.cli.prediction",
        "predict_files",
        "predict-files --network digits.packed photo.jpg",
        "tell the classes of files",
    ),
    "report": Command(
        "lossy_lightning.report.command",
        "report",
        "report lightning_logs --html report.html",
        "compare logged runs",
    ),
    "confound": Command(
        "lossy_lightning.confound.command",
        "confound_command",
        "confound photos",
        "ask whether headers of files give their classes away",
    ),
    "completion": Command(
        "lossy_lightning.cli.completion",
        "completion",
        "completion bash > ~/.local/share/bash-completion/completions/lossy-lightning",
        "make a shell complete commands, options and names of classes",
    ),
}
"""Name to command, in the order of ``--help``."""

TRAINING = {
    "fit": ("fit --config digits.yaml", "train, and test the best epoch"),
    "validate": ("validate --config digits.yaml --ckpt_path best.ckpt", "run one epoch of validation"),
    "test": ("test --config digits.yaml --ckpt_path best.ckpt", "run one epoch of test"),
    "predict": ("predict --config digits.yaml --ckpt_path best.ckpt", "write a table of classes and probabilities"),
}
"""Lightning's own, with an example and what they do."""

NAMES = (*TRAINING, *COMMANDS)
"""All, as they may be named."""


def overview() -> str:
    """What each command does, with an example."""
    told = [*TRAINING.values(), *((command.example, command.help) for command in COMMANDS.values())]
    lines = [
        f"  {name:13} {text}\n                  lossy-lightning {example}"
        for name, (example, text) in zip(NAMES, told, strict=True)
    ]
    return "\n".join(["Commands, each with its own --help:", *lines])
