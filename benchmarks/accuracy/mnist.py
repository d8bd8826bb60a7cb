"""Test accuracy of the MNIST study, mean and standard deviation over seeds of codec and network.

    LOSSY_DATA=... python -m benchmarks.accuracy.mnist [name ...] [--seeds 0 1 2] [--fashion] [--folder FOLDER]

Each row is a run of `experiments/mnist/`, made through the command line after those that it builds on, and tests the
last epoch. A folder keeps runs, codecs and accuracies, and what it holds already is not run again. About two minutes a
seed for codes, twenty for a baseline, on one thread.
"""

from functools import partial
from pathlib import Path

from benchmarks.harness import config, fit, foundations, inside, kept, machine, once, parser, recipe, spread

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
    "pixels as bits, binary from the sensor on": "mnist_thresholds",
    "baseline": "mnist_baseline",
}
FASHION = ["--data", "lossy_lightning.data.FashionMNIST"]


def accuracy(name: str, extra: list[str], seed: int) -> float:
    """Test accuracy of the last epoch of one run, in percent; in and below the folder that we are in."""
    for earlier in foundations(name):
        run(earlier, extra, seed)
    seeds = ["--seed_everything", str(seed)]
    if config(name)["data"]["init_args"]["codec"]["class_path"] == "lossy_lightning.codecs.VQ":
        seeds += ["--data.init_args.codec.init_args.seed", str(seed)]
    cli = fit(name, [*seeds, *extra])
    return 100 * float(cli.trainer.callback_metrics.get("test_acc", "nan"))


def run(name: str, extra: list[str], seed: int) -> float:
    """The same, or what a run before said."""
    found = once(Path("accuracies.json"), " ".join([recipe(name), *extra]), partial(accuracy, name, extra, seed))
    return float(found)


def over_seeds(name: str, extra: list[str], seeds: list[int], folder: Path) -> list[float]:
    """Accuracies of the seeds, each run in a folder of its own."""
    accuracies = []
    for seed in seeds:
        with inside(folder / f"seed{seed}"):
            accuracies.append(run(name, extra, seed))
    return accuracies


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("rows", nargs="*", metavar="name", help=f"rows to run; default all of {list(ROWS)}")
    arguments.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments.add_argument("--epochs", type=int, help="another length than the run's own, for a quick look")
    arguments.add_argument("--fashion", action="store_true", help="Fashion-MNIST in place of MNIST")
    arguments.add_argument("--folder", type=Path, help="where runs, codecs and accuracies are kept")
    given = arguments.parse_args()
    extra = FASHION if given.fashion else []
    extra = extra if given.epochs is None else [*extra, "--trainer.max_epochs", str(given.epochs)]
    print(f"32-true on {machine()}")
    with kept(given.folder) as folder:
        for name in given.rows or ROWS:
            accuracies = over_seeds(ROWS[name], extra, given.seeds, folder)
            each = ", ".join(f"{a:.2f}" for a in accuracies)
            print(f"{name}: {spread(accuracies)} % (seeds {given.seeds}: {each})", flush=True)


if __name__ == "__main__":
    main()
