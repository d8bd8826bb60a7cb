"""What codes are worth on scikit-learn's digits, over seeds of codebook and network; needs no data and about a minute.

    python benchmarks/digits.py [--seeds 0 1 2] [--epochs 20] [--folder runs/digits]
    lossy-lightning report runs/digits --results docs/results/digits.json --svg docs/pictures --update docs/numbers.md

The four rows differ in the codec, the stem and the bit widths, and in nothing else.
"""

import argparse
import json
import logging
import warnings
from pathlib import Path
from typing import Any

from lossy_lightning.cli import LossyCLI

BASE = Path(__file__).parent.parent / "examples" / "digits_vq_bnn.yaml"
PIXELS = {"class_path": "lossy_lightning.codecs.PCM"}
LOOKUP = {"class_path": "lossy_lightning.nn.LookupLinear", "init_args": {"out_features": 64}}
FLOAT = {"weight_bit_width": 32, "input_bit_width": 32}
REAL_FIRST = {"first_weight_bit_width": 32, "first_input_bit_width": 32}
Row = tuple[dict[str, Any] | None, Any, dict[str, Any]]
"""Codec (None: the base's codebook), stem, arguments of the MLP."""
ROWS: dict[str, Row] = {
    "pixels, float": (PIXELS, "lossy_lightning.nn.Scale", {"hidden_features": [64, 64], **FLOAT}),
    "codes, looked up, binary tail": (None, LOOKUP, {"hidden_features": [64], "input_norm": True}),
    "codes, raw bits, real first layer": (None, "lossy_lightning.nn.Bits", {"hidden_features": [64, 64], **REAL_FIRST}),
    "codes, raw bits, all binary": (None, "lossy_lightning.nn.Bits", {"hidden_features": [64, 64]}),
}


def train(name: str, seed: int, epochs: int, folder: Path) -> None:
    """Train and test one network, logging into ``folder/name``."""
    codec, stem, backbone = ROWS[name]
    changes = {
        "seed_everything": seed,
        "model.init_args.stem": stem,
        "model.init_args.backbone": {"class_path": "lossy_lightning.nn.MLP", "init_args": backbone},
        "model.init_args.lr_scheduler.init_args.T_max": epochs,
        "data.init_args.cache_dir": str(folder / "cache"),
        "trainer.max_epochs": epochs,
        "trainer.accelerator": "cpu",
        "trainer.enable_progress_bar": False,
        "trainer.enable_model_summary": False,
        "trainer.logger.init_args.save_dir": str(folder),
        "trainer.logger.init_args.name": name,
    }
    changes |= {"data.init_args.codec.init_args.seed": seed} if codec is None else {"data.init_args.codec": codec}
    given = [item for key, value in changes.items() for item in (f"--{key}", _argument(value))]
    LossyCLI(args=["fit", "--config", str(BASE), *given])


def _argument(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=Path("runs/digits"))
    arguments = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", "LightningCLI's args parameter.*")
    for name in ROWS:
        for seed in arguments.seeds:
            train(name, seed, arguments.epochs, arguments.folder)


if __name__ == "__main__":
    main()
