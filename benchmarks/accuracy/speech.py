"""Test accuracy of the speech study, mean and standard deviation over five folds of unseen speakers.

    LOSSY_DATA=... python -m benchmarks.accuracy.speech [name ...] [--folds 0 1 2 3 4] [--epochs N] [--folder FOLDER]
        [--update docs/numbers.md]

Each row is a run of `experiments/speech/`, made through the command line after those that it builds on, and tests the
last epoch: the test speakers choose nothing. Beside it stand the accuracy on the validation speakers and the processor
time of one training epoch (median; validation, loading of the cache and coding left out). A folder keeps runs and
figures, and what it holds of the same recipe is not run again. Codes are cached in `--cache`, by default in
`$LOSSY_DATA`, where MP3 files are written, too (`python -m benchmarks.accuracy.speech_mp3`).
"""

import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from benchmarks.accuracy.speech_mp3 import files, write_files
from benchmarks.harness import (
    config,
    fit,
    foundations,
    inside,
    kept,
    machine,
    once,
    parser,
    precision,
    recipe,
    show,
    spread,
)
from lossy_lightning.cli import LossyCLI

CODEC = "--data.init_args.codec.init_args"
LEAKY = ["--data.init_args.by_speaker", "false"]
LINEAR = [f"{CODEC}.analysis.init_args.log", "false"]
GRAY = ["--model.init_args.stem.init_args.gray", "true"]
ROWS: dict[str, tuple[str, list[str]]] = {
    "Lyra 9.2 kbit/s, summed words, float": ("speech_lyra_float", []),
    "Lyra 9.2 kbit/s, summed words, binary tail": ("speech_lyra_binary", []),
    "log-spectrogram VQ, look-up, float": ("speech_vq_float", []),
    "log-spectrogram VQ, look-up, all binary": ("speech_vq_lookup_binary", []),
    "Lyra 3.2 kbit/s, summed words, float": ("speech_lyra_3200_float", []),
    "log spectrogram, our float CNN": ("speech_spectrogram_resnet", []),
    "log-spectrogram VQ, raw bits, all binary": ("speech_vq_bits_binary", []),
    "log-spectrogram VQ, Gray bits, all binary": ("speech_vq_bits_binary", GRAY),
    "log-spectrogram VQ, similarity labels, all binary": ("speech_vq_similarity_binary", []),
    "Lyra 9.2 kbit/s, raw bits, float": ("speech_lyra_bits_float", []),
    "Lyra 9.2 kbit/s, raw bits, binary": ("speech_lyra_bits_binary", []),
    "decoded Lyra, log spectrogram, our float CNN": ("speech_lyra_decoded_resnet", []),
    "log spectrogram, the literature's CNN": ("speech_spectrogram_cnn", []),
    "decoded Lyra, log spectrogram, the literature's CNN": ("speech_lyra_decoded_cnn", []),
    "linear-spectrogram VQ, raw bits, the literature's CNN": ("speech_vq_bits_cnn", LINEAR),
    "the same, split by file": ("speech_vq_bits_cnn", [*LINEAR, *LEAKY]),
    "MP3 32 kbit/s, bands of levels, float": ("mp3_speech", []),
    "decoded MP3, log-mel spectrogram, float": ("speech_mp3_decoded", []),
    "decoded MP3, log-mel spectrogram every 36 ms, float": ("speech_mp3_decoded_slow", []),
}


class EpochTime(Callback):
    """Processor time of the training batches of each epoch, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the clock."""
        self.start = time.process_time()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stop it at the last batch."""
        if batch_idx + 1 == trainer.num_training_batches:
            self.seconds.append(time.process_time() - self.start)


def figures(name: str, extra: list[str], common: list[str], fold: int) -> dict[str, float]:
    """What one run measures; in and below the folder that we are in."""
    for earlier in foundations(name):
        run(earlier, [], common, fold)
    clock = EpochTime()
    # Cached codes need no workers, and their processor time would count nowhere.
    given = ["--data.init_args.test_fold", str(fold), "--data.init_args.num_workers", "0", *common, *extra]
    if config(name)["data"]["init_args"].get("root") == files().name:
        given += ["--data.init_args.root", str(write_files(files()))]
    cli = fit(name, given, clock)
    metrics = {metric: float(value) for metric, value in cli.trainer.callback_metrics.items()}
    return {
        "test": 100 * metrics["test_acc"],
        "val": 100 * last_validation(cli),
        "epoch": statistics.median(clock.seconds),
        "epochs": cli.trainer.current_epoch,
    }


def last_validation(cli: LossyCLI) -> float:
    """Accuracy on the validation speakers at the last epoch."""
    (found,) = cli.trainer.validate(cli.model, datamodule=cli.datamodule, verbose=False)
    return found["val_acc"]


def run(name: str, extra: list[str], common: list[str], fold: int) -> dict[str, float]:
    """The same, or what a run before said."""
    key = " ".join([recipe(name), *common, *extra])
    found: dict[str, float] = once(Path("figures.json"), key, partial(figures, name, extra, common, fold))
    return found


def over_folds(title: str, common: list[str], folds: list[int], folder: Path) -> list[dict[str, float]]:
    """Figures of the folds, each run in a folder of its own; ``common`` are arguments of what it builds on, too."""
    found = []
    for fold in folds:
        with inside(folder / f"fold{fold}"):
            name, extra = ROWS[title]
            found.append(run(name, extra, common, fold))
            print(f"  {title}, fold {fold}: {found[-1]['test']:.2f} %, val {found[-1]['val']:.2f} %", flush=True)
    return found


def row(title: str, found: list[dict[str, float]]) -> list[str]:
    """A row of the table."""
    tests = [each["test"] for each in found]
    return [
        title,
        spread(tests),
        ", ".join(f"{test:.1f}" for test in tests),
        f"{statistics.mean(each['val'] for each in found):.1f}",
        f"{found[0]['epochs']:.0f}",
        f"{statistics.median(each['epoch'] for each in found):.1f}",
    ]


HEAD = ["row", "test, %", "test of each fold, %", "validation, %", "epochs", "processor time of one, s"]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("rows", nargs="*", metavar="name", help=f"rows to run; default all of {list(ROWS)}")
    arguments.add_argument("--folds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    arguments.add_argument("--epochs", type=int, help="another length than the run's own, for a quick look")
    arguments.add_argument("--precision", default=precision(), help="Lightning's; default here: %(default)s")
    arguments.add_argument("--folder", type=Path, help="where runs and figures are kept")
    arguments.add_argument("--cache", type=Path, help="where codes are cached")
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    common = ["--trainer.precision", given.precision]
    if given.epochs is not None:
        common += ["--trainer.max_epochs", str(given.epochs)]
    if given.cache is not None:
        common += ["--data.init_args.cache_dir", str(given.cache.absolute())]
    document = given.update and given.update.absolute()
    with kept(given.folder) as folder:
        rows = [row(title, over_folds(title, common, given.folds, folder)) for title in given.rows or ROWS]
    show([HEAD, *rows], f"Trained in {given.precision} on {machine()}.", document, "speech-folds")


if __name__ == "__main__":
    main()
