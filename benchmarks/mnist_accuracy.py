"""Test accuracy of the MNIST examples, mean and standard deviation over seeds of codec and network.

    python benchmarks/mnist_accuracy.py [name ...] [--seeds 0 1 2] [--fashion] [--folder FOLDER]

Each row runs its YAML from `examples/` through the command line, after those that it builds on, and tests the last
epoch. A folder keeps runs, codecs and accuracies, and what it holds already is not run again. About two minutes a seed
for codes, twenty for a baseline, on one thread.
"""

import argparse
import contextlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from keeping import EXAMPLES, foundations, kept, once, recipe, spread

from lossy_lightning.cli import LossyCLI

ROWS = {
    "k-means, raw bits, all binary": "mnist_vq_binary",
    "k-means, raw bits, real first layer": "mnist_vq_bnn",
    "k-means, one-hot look-up, binary tail": "mnist_vq_lookup_bnn",
    "VQ-VAE, one bit a latent, all binary": "mnist_vqvae_bitwise_codes",
    "VQ-VAE, similarity labels, all binary": "mnist_vqvae_similarity",
    "VQ-VAE, labels learned with the task, all binary": "mnist_vqvae_learned",
    "task-aware, together": "mnist_joint",
    "task-aware, fresh all-binary network": "mnist_joint_codes",
    "task-aware, wider field, together": "mnist_joint_field",
    "task-aware, wider field, fresh all-binary network": "mnist_joint_field_codes",
    "task-aware, fresh network with a teacher": "mnist_joint_codes_distilled",
    "task-aware, fresh network from the weights of a twin": "mnist_joint_codes_warm",
    "task-aware, wide, together": "mnist_joint_wide",
    "task-aware, fresh wide all-binary network": "mnist_joint_wide_codes",
    "task-aware, float, together": "mnist_joint_float",
    "task-aware, fresh float network": "mnist_joint_float_codes",
    "baseline": "mnist_baseline",
}
FASHION = ["--data", "lossy_lightning.data.FashionMNIST"]


def accuracy(example: str, extra: Iterable[str], seed: int) -> float:
    """Test accuracy of the last epoch of one run, in percent; in and below the folder that we are in."""
    for earlier in foundations(example):
        run(earlier, extra, seed)
    has_codebook = "codecs.VQ," in (EXAMPLES / f"{example}.yaml").read_text()
    codebook = ["--data.init_args.codec.init_args.seed", str(seed)] if has_codebook else []
    args = ["fit", "--config", str(EXAMPLES / f"{example}.yaml"), "--seed_everything", str(seed)]
    cli = LossyCLI(args=[*args, *codebook, "--trainer.enable_progress_bar", "false", *extra])
    return 100 * float(cli.trainer.callback_metrics.get("test_acc", "nan"))


def run(example: str, extra: Iterable[str], seed: int) -> float:
    """The same, or what a run before said."""
    name = " ".join([recipe(example), *extra])
    found = once(Path("accuracies.json"), name, partial(accuracy, example, extra, seed))
    return float(found)


def over_seeds(example: str, extra: list[str], seeds: list[int], folder: Path) -> list[float]:
    """Accuracies of the seeds, each run in a folder of its own."""
    accuracies = []
    for seed in seeds:
        place = folder / f"seed{seed}"
        place.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(place):
            accuracies.append(run(example, extra, seed))
    return accuracies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="name", help=f"rows to run; default all of {list(ROWS)}")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="another length than the example's, for a quick look")
    parser.add_argument("--fashion", action="store_true", help="Fashion-MNIST in place of MNIST")
    parser.add_argument("--folder", type=Path, help="where runs, codecs and accuracies are kept")
    arguments = parser.parse_args()
    extra = FASHION if arguments.fashion else []
    extra = extra if arguments.epochs is None else [*extra, "--trainer.max_epochs", str(arguments.epochs)]
    with kept(arguments.folder) as folder:
        for name in arguments.rows or ROWS:
            accuracies = over_seeds(ROWS[name], extra, arguments.seeds, folder)
            each = ", ".join(f"{a:.2f}" for a in accuracies)
            print(f"{name}: {spread(accuracies)} % (seeds {arguments.seeds}: {each})", flush=True)


if __name__ == "__main__":
    main()
