"""Accuracy against bit rate: networks trained once on Lyra's codes, tested on the first 1 to 46 stages of them.

    python benchmarks/speech_bit_rate.py --folder FOLDER [--stages 1 2 4 8 16 30 46] [--folds 0 …] [--cache …]

FOLDER is that of `speech_accuracy.py`, after its row of `speech_lyra_float`. Training leaves the last stages of half
the clips out, so one network reads each rate; stages beyond the first N are -1, a stage not sent. A stage is 200 bit/s.
"""

import argparse
import contextlib
import statistics
from pathlib import Path

import torch
from tables import update_table

from lossy_lightning.codecs import Lyra
from lossy_lightning.data import SpeechCommands
from lossy_lightning.report import as_markdown
from lossy_lightning.tasks import ClassificationTask

BITS_A_STAGE = 200  # 4 bits, 50 frames a second


def accuracies(fold: int, folder: Path, stages: list[int], cache: Path | None) -> list[float]:
    """Test accuracy of one fold's network, in percent, for each number of stages."""
    checkpoint = folder / f"fold{fold}" / "runs" / "speech_lyra_float" / "network.ckpt"
    task = ClassificationTask.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()
    data = SpeechCommands(Lyra(num_stages=46), test_fold=fold, batch_size=256, cache_dir=cache)
    with contextlib.redirect_stderr(None):  # the cache's progress bar
        data.prepare_data()
    data.setup("test")
    right, total = torch.zeros(len(stages)), 0
    with torch.no_grad():
        for code, target in data.test_dataloader():
            stage = torch.arange(code.shape[1]).view(-1, 1)
            for i, sent in enumerate(stages):
                logits = task(torch.where(stage < sent, code, -1))
                right[i] += (logits.argmax(1) == target).sum()
            total += len(target)
    found: list[float] = (100 * right / total).tolist()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--stages", nargs="+", type=int, default=[1, 2, 4, 8, 16, 30, 46])
    parser.add_argument("--folds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--cache", type=Path, help="where codes are cached")
    parser.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    arguments = parser.parse_args()
    folds = [accuracies(fold, arguments.folder, arguments.stages, arguments.cache) for fold in arguments.folds]
    rows = [["stages", "bit/s", "test accuracy, %"]]
    for stages, found in zip(arguments.stages, zip(*folds, strict=True), strict=True):
        spread = f" ± {statistics.stdev(found):.1f}" if len(found) > 1 else ""
        rate = f"{stages * BITS_A_STAGE:,}".replace(",", " ")
        rows.append([str(stages), rate, f"{statistics.mean(found):.1f}{spread}"])
    print(as_markdown(rows))
    if arguments.update:
        update_table(arguments.update, "speech-bit-rate", as_markdown(rows))


if __name__ == "__main__":
    main()
