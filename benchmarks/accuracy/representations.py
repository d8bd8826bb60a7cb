"""What is the best way to train on quantized data? Codec by representation by network, test accuracy on MNIST.

    python -m benchmarks.accuracy.representations [codec ...] [--seeds 0 1 2] [--epochs 10] [--folder FOLDER]
        [--stems NAME ...] [--fashion] [--update docs/numbers.md] [--table representations]

Each cell is the run `mnist_vq_binary` of `experiments/mnist/` with codec, stem and network exchanged: 196 bits an
image, three linear layers of 64, 64 and 10 outputs, batches of 256, the last epoch, mean and standard deviation over
seeds of codec and network. The binary network has 1-bit weights and inputs in all layers; if the representation is made
of real numbers (packed, embedding, feature hash), its first layer takes them as they are. Prints a table in Markdown. A
folder keeps runs, codecs and accuracies, and what it holds already is not run again. `--stems` takes a few columns,
for a table in another place.
"""

import json
from pathlib import Path

from benchmarks.accuracy.mnist import FASHION, run
from benchmarks.harness import inside, kept, machine, parser, show, spread

SPEC = tuple[str, dict[str, object]]
STEMS: dict[str, SPEC] = {
    "packed": ("Packed", {"block": [1, 1]}),
    "raw bits": ("Bits", {}),
    "Gray": ("Bits", {"gray": True}),
    "similarity": ("Bits", {}),
    "one-hot look-up": ("LookupLinear", {"out_features": 64}),
    "embedding": ("Embed", {"dim": 4}),
    "feature hash": ("FeatureHash", {"buckets": 4}),
}
REAL = ("packed", "embedding", "feature hash")
LEARNED = {"VQ-VAE": "mnist_vqvae", "task-aware": "mnist_joint"}
CODECS = ["k-means", *LEARNED]
NETWORKS = {"all binary": 1, "float": 32}


def made(room: str, name: str, **arguments: object) -> dict[str, object]:
    return {"class_path": f"lossy_lightning.{room}.{name}", "init_args": arguments}


def codec(name: str, similar: bool, seed: int, extra: list[str]) -> dict[str, object]:
    """The codec, trained where it is learned; in the folder that we are in."""
    if name in LEARNED:
        run(LEARNED[name], extra, seed)
        inner = made("codecs", "VQVAE.from_checkpoint", path=f"runs/{LEARNED[name]}/codec.ckpt")
    else:
        inner = made("codecs", "VQ", block=[4, 4], levels=16, seed=seed)
    labels = made("codecs", "SimilarityLabels", seed=seed)
    return made("codecs", "Relabeled", codec=inner, labels=labels) if similar else inner


def network(representation: str, bit_width: int) -> dict[str, object]:
    looked_up, real = representation == "one-hot look-up", representation in REAL
    return made(
        "nn",
        "MLP",
        hidden_features=[64] if looked_up else [64, 64],
        input_norm=looked_up,
        weight_bit_width=bit_width,
        input_bit_width=bit_width,
        first_input_bit_width=32 if real else None,
    )


def cell(name: str, representation: str, bit_width: int, seed: int, epochs: int, extra: list[str]) -> float:
    """Test accuracy in percent; in the folder that we are in."""
    stem, arguments = STEMS[representation]
    overrides = {
        "model.init_args.stem": json.dumps(made("nn", stem, **arguments)),
        "model.init_args.backbone": json.dumps(network(representation, bit_width)),
        "model.init_args.logit_scale": "3.0",
        "model.init_args.optimizer.init_args.lr": "2.0e-3",
        "model.init_args.lr_scheduler.init_args.T_max": str(epochs),
        "data.init_args.codec": json.dumps(codec(name, representation == "similarity", seed, extra)),
        "data.init_args.batch_size": "256",
        "trainer.max_epochs": str(epochs),
        "trainer.callbacks": "null",
        "trainer.logger.init_args.name": f"{name}_{representation}_{bit_width}".replace(" ", "_"),
    }
    return run(
        "mnist_vq_binary", [*extra, *(part for key, value in overrides.items() for part in (f"--{key}", value))], seed
    )


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("codecs", nargs="*", metavar="codec", help=f"codecs to run; default all of {CODECS}")
    arguments.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments.add_argument("--epochs", type=int, default=10)
    arguments.add_argument("--stems", nargs="+", choices=list(STEMS), default=list(STEMS), help="default all")
    arguments.add_argument("--table", default="representations", help="name of its place in the document")
    arguments.add_argument("--fashion", action="store_true", help="Fashion-MNIST in place of MNIST")
    arguments.add_argument("--folder", type=Path, help="where runs, codecs and accuracies are kept")
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    extra = FASHION if given.fashion else []
    rows = [["codec", "network", *given.stems]]
    with kept(given.folder) as folder:
        for name in given.codecs or CODECS:
            for title, bit_width in NETWORKS.items():
                cells: dict[str, list[float]] = {representation: [] for representation in given.stems}
                for seed in given.seeds:
                    with inside(folder / f"seed{seed}"):
                        for representation, found in cells.items():
                            found.append(cell(name, representation, bit_width, seed, given.epochs, extra))
                rows.append([name, title, *map(spread, cells.values())])
                print(rows[-1], flush=True)
    show(rows, f"Trained in 32-true on {machine()}.", given.update, given.table)


if __name__ == "__main__":
    main()
