"""Accuracy against bit rate: networks trained once on Lyra's codes, tested on the first 1 to 46 stages of them.

    python -m benchmarks.accuracy.speech_bit_rate --folder FOLDER [--stages 1 2 4 8 16 30 46] [--folds 0 …] [--cache …]

FOLDER is that of `speech.py`, after its row of `speech_lyra_float`. Training leaves the last stages of half
the clips out, so one network reads each rate; stages beyond the first N are -1, a stage not sent. A stage is 200 bit/s.
"""

import contextlib
from pathlib import Path

import torch

from benchmarks.harness import machine, parser, show, spread
from lossy_lightning.codecs import Lyra
from lossy_lightning.data import SpeechCommands
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
    arguments = parser(__doc__)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--stages", nargs="+", type=int, default=[1, 2, 4, 8, 16, 30, 46])
    arguments.add_argument("--folds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    arguments.add_argument("--cache", type=Path, help="where codes are cached")
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    folds = [accuracies(fold, given.folder, given.stages, given.cache) for fold in given.folds]
    rows = [["stages", "bit/s", "test accuracy, %"]]
    for stages, found in zip(given.stages, zip(*folds, strict=True), strict=True):
        rate = f"{stages * BITS_A_STAGE:,}".replace(",", " ")
        rows.append([str(stages), rate, spread(list(found), digits=1)])
    show(rows, f"Tested in 32-true on {machine()}.", given.update, "speech-bit-rate")


if __name__ == "__main__":
    main()
