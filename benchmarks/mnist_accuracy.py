"""Test accuracy of the MNIST examples, mean and standard deviation over seeds of codebook and network.

    python benchmarks/mnist_accuracy.py [--seeds 0 1 2] [name ...]

Each row runs its YAML from `examples/` through the command line and tests the last epoch. About two minutes a seed for
codes, twenty for a baseline, on one thread.
"""

import argparse
import logging
import statistics
import tempfile
import warnings
from pathlib import Path

from lossy_lightning.cli import LossyCLI

EXAMPLES = Path(__file__).parent.parent / "examples"
CONSTANT_RATE = ["--model.init_args.lr_scheduler", "null"]
ROWS: dict[str, tuple[str, list[str]]] = {
    "raw bits, all binary": ("mnist_vq_binary", []),
    "raw bits, real first layer": ("mnist_vq_bnn", []),
    "one-hot look-up, binary tail": ("mnist_vq_lookup_bnn", []),
    "baseline, cosine rate": ("mnist_baseline", []),
    "baseline, constant rate": ("mnist_baseline", CONSTANT_RATE),
}


def accuracy(example: str, extra: list[str], seed: int, epochs: int | None) -> float:
    """Test accuracy of the last epoch of one run, in percent."""
    codebook = [] if example == "mnist_baseline" else ["--data.init_args.codec.init_args.seed", str(seed)]
    length = [] if epochs is None else ["--trainer.max_epochs", str(epochs)]
    with tempfile.TemporaryDirectory() as runs:
        args = ["fit", "--config", str(EXAMPLES / f"{example}.yaml"), "--seed_everything", str(seed)]
        quiet = ["--trainer.enable_progress_bar", "false", "--trainer.logger.init_args.save_dir", runs]
        cli = LossyCLI(args=[*args, *codebook, *length, *quiet, *extra])
        return 100 * float(cli.trainer.callback_metrics["test_acc"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="name", help=f"rows to run; default all of {list(ROWS)}")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="another length than the example's, for a quick look")
    arguments = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    for row in arguments.rows or ROWS:
        accuracies = [accuracy(*ROWS[row], seed, arguments.epochs) for seed in arguments.seeds]
        spread = f" ± {statistics.stdev(accuracies):.2f}" if len(accuracies) > 1 else ""
        each = ", ".join(f"{a:.2f}" for a in accuracies)
        print(f"{row}: {statistics.mean(accuracies):.2f}{spread} % (seeds {arguments.seeds}: {each})", flush=True)


if __name__ == "__main__":
    main()
