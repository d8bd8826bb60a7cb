"""Runs an experiment by its name, after those that it builds on if their checkpoints are not there yet.

    python -m benchmarks.run mnist_joint_codes [--trainer.precision bf16-mixed ...]

Names are those of `experiments/*/study.yaml`. Options are those of the command line, and go to the experiment named.
Each command is printed; logs and checkpoints go to `runs/` below the folder that we are in.
"""

import os
import shlex
import sys
from pathlib import Path

from benchmarks.harness import arguments, foundations, layers, parser
from lossy_lightning.cli import main as command_line


def run(name: str, extra: list[str]) -> None:
    """Run what is missing, then the experiment itself."""
    for earlier in foundations(name):
        if not list(Path("runs", earlier).glob("*.ckpt")):
            run(earlier, [])
    given = ["fit", *(os.path.relpath(part) if part != "--config" else part for part in arguments(name)), *extra]
    print(shlex.join(["lossy-lightning", *given]), flush=True)
    command_line(given)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("name", help=f"one of {', '.join(map(shlex.quote, layers()))}")
    given, extra = options.parse_known_args()
    if given.name not in layers():
        options.error(f"there is no experiment {given.name!r}; there are {', '.join(map(shlex.quote, layers()))}")
    sys.argv = sys.argv[:1]  # what follows is told by its arguments
    run(given.name, extra)


if __name__ == "__main__":
    main()
