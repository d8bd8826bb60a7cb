"""The tables of networks straight from JPEG in docs/numbers.md, made again by one command.

    LOSSY_DATA=... python benchmarks/jpeg_tables.py [table ...] --folder FOLDER

Each table is one run of a script of `accuracy/` or `speed/`, which is printed. The folder keeps runs and figures, and
what it holds already is not run again: without any, accuracies take hours. Tables of times are always measured; they
want an idle machine.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.absolute()
NUMBERS = ROOT / "docs" / "numbers.md"
COMPARED = ["pixels, ResNet at 32x32", "pixels, space-to-depth 2", "unfolded by 4, frozen"]
NARROW = "unfolded by 4, frozen, narrow"
OTHERS = [
    "unfolded by 2, frozen",
    "pixels, space-to-depth 4",
    "frequencies on the 4x4 grid",
    "pixels, DCT convolution on the 4x4 grid",
    "planes, 1-bit first layer",
    "planes, float first layer",
]
UNFOLDINGS = ["unfolded by 4, frozen", "unfolded by 4, trained relative", "unfolded by 4, trained plain"]
TOKENS = ["pixels, transformer", "blocks of coefficients, transformer", "pixels, Tree-3"]
ADAMW = ["--model.init_args.optimizer=torch.optim.AdamW", "--model.init_args.optimizer.init_args.lr=0.006"]
ADAMW += ["--model.init_args.optimizer.init_args.weight_decay=0.05"]
FILES = ["25/4:4:4", "50/4:4:4", "75/4:4:4", "95/4:4:4", "75/4:2:0"]
THREE = ["--seeds", "0", "1", "2"]
FIVE = [*THREE, "3", "4"]
ACCURACIES: dict[str, list[str]] = {
    "jpeg-accuracy": [*COMPARED, NARROW, *OTHERS, *FIVE],
    "jpeg-files": [*COMPARED, *THREE, "--files", *FILES],
    "jpeg-long": [*COMPARED[1:], *THREE, "--epochs", "30"],
    "jpeg-unfolding": [*UNFOLDINGS, *THREE, *ADAMW],
    "jpeg-tokens": [*TOKENS, *THREE],
    "jpeg-steps": [*COMPARED, NARROW, UNFOLDINGS[1], *OTHERS, "--steps", "60"],
}


def command(table: str, folder: Path) -> list[str]:
    """What makes a table."""
    if table in ACCURACIES:
        return ["accuracy.jpeg", *ACCURACIES[table], "--folder", str(folder), "--update", str(NUMBERS), table]
    if table == "jpeg-resolution":
        return ["accuracy.jpeg_resolution", "--folder", str(folder), "--update", str(NUMBERS)]
    return ["speed.jpeg_training", "--rounds", "3", "--batch-size", "8", "--steps", "3", "--update", str(NUMBERS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*ACCURACIES, "jpeg-resolution", "jpeg-training"]
    parser.add_argument("tables", nargs="*", metavar="table", help=f"tables to make; default all of {known}")
    parser.add_argument("--folder", type=Path, required=True, help="where runs and figures are kept")
    arguments = parser.parse_args()
    if unknown := set(arguments.tables) - set(known):
        parser.error(f"there is no table {sorted(unknown)}; tables are {known}")
    for table in arguments.tables or known:
        script, *others = command(table, arguments.folder.absolute())
        print(f"\n{table}: {shlex.join(['python', '-m', f'benchmarks.{script}', *others])}", flush=True)
        subprocess.run([sys.executable, "-W", "ignore", "-m", f"benchmarks.{script}", *others], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
