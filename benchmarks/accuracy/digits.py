"""What codes are worth on scikit-learn's digits, over seeds of codebook and network; needs no data and about a minute.

    python -m benchmarks.accuracy.digits [--seeds 0 1 2] [--epochs 20] [--folder runs/digits]
    lossy-lightning report runs/digits --results docs/results/digits.json --svg docs/pictures
    python benchmarks/tables.py docs/numbers.md

The four rows, `experiments/digits/`, differ in the codec, the stem and the bit widths, and in nothing else.
"""

from pathlib import Path

from benchmarks.harness import ROOT, config, fit, kept, layers, parser

ROWS = [name for name, files in layers().items() if ROOT / "experiments" / "digits" in files[-1].parents]


def train(name: str, seed: int, epochs: int, folder: Path) -> None:
    """Train and test one network, logging into ``folder/name``."""
    changes = {
        "seed_everything": seed,
        "model.init_args.lr_scheduler.init_args.T_max": epochs,
        "data.init_args.cache_dir": folder / "cache",
        "trainer.max_epochs": epochs,
        "trainer.accelerator": "cpu",
        "trainer.enable_model_summary": "false",
        "trainer.logger.init_args.save_dir": folder,
    }
    if config(name)["data"]["init_args"]["codec"]["class_path"] == "lossy_lightning.codecs.VQ":
        changes["data.init_args.codec.init_args.seed"] = seed
    fit(name, [part for key, value in changes.items() for part in (f"--{key}", str(value))])


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments.add_argument("--epochs", type=int, default=20)
    arguments.add_argument("--folder", type=Path, default=Path("runs/digits"))
    given = arguments.parse_args()
    with kept(given.folder) as folder:
        for name in ROWS:
            for seed in given.seeds:
                train(name, seed, given.epochs, folder)


if __name__ == "__main__":
    main()
