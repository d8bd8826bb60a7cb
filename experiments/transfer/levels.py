"""MobileNetV1 0.25 on JPEG's levels: its published weights behind the first five parts stay, only the stem is trained.

    LOSSY_DATA=... python -m experiments.transfer.levels --folder FOLDER [--held-out] [--finished]
        [--results FILE] [--update docs/transfer_study.md]

The stem is a 1x1 convolution with a batch norm, from 192 coefficients on the grid of blocks to what the sixth part
reads; a last layer is trained with it. Images of CIFAR-10 are enlarged to 128x128 and coded then. ``--held-out`` is how
the rate was chosen: the last 2 000 training images are tested on, which no network is trained on.
"""

import os
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.accuracy.small_networks import load
from benchmarks.harness import kept, known, once, show, study_parser
from benchmarks.intervals import over
from experiments.transfer.probes import drawn
from lossy_lightning.codecs import JPEG
from lossy_lightning.nn import MobileNet, load_tflite_weights

SIZES, DRAWS, TESTED = (1, 2, 5, 10, 20), 3, 2000
SIDE, SKIP, STEPS, RATE, BATCH = 128, 5, 150, 3e-3, 64


def levels(images: Tensor) -> Tensor:
    """Coefficients ``(N, 192, 16, 16)`` of enlarged images ``(N, 3, 32, 32)``, float32."""
    codec = JPEG(50, "4:4:4", dequantize=True)
    large = F.interpolate(images.float(), (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    return torch.cat([codec.encode(few.round().to(torch.uint8)) for few in large.split(200)]).float()


def network() -> MobileNet:
    """With the published weights; only the stem and the last layer learn."""
    made = MobileNet((192, SIDE // 8, SIDE // 8), 10, width_mult=0.25, skip=SKIP, dropout=0.0)
    path = Path(os.environ["LOSSY_DATA"]) / "pretrained" / "mobilenet_v1_0.25_128_quant.tflite"
    load_tflite_weights(made, path)
    made.features.requires_grad_(False)
    return made


def accuracy(train: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor, seed: int) -> float:
    """On test examples in percent, after training on these few."""
    torch.manual_seed(seed)
    deviation = train.std((0, 2, 3), keepdim=True)
    scale = deviation.clamp(min=0.1 * float(deviation.max()))
    mean = train.mean((0, 2, 3), keepdim=True)
    model = network()
    model.train()
    model.features.eval()  # batch norms of published weights keep their statistics
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned, RATE, weight_decay=0.05)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        chosen = torch.randperm(len(train))[:BATCH]
        loss = F.cross_entropy(model((train[chosen] - mean) / scale), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        cycle.step()
    model.eval()
    with torch.inference_mode():
        guessed = torch.cat([model((few - mean) / scale).argmax(1) for few in test.split(200)])
    return float(100 * (guessed == test_labels).float().mean())


def run(folder: Path, number: int, held_out: bool) -> list[float]:
    """Accuracy of each draw of so many examples a class, on the first 2 000 test images or on what is held out."""
    images, labels = load("train", folder / "cifar10")
    tested = (images[-TESTED:], labels[-TESTED:])
    if not held_out:
        test_images, test_labels = load("test", folder / "cifar10")
        tested = (test_images[:TESTED], test_labels[:TESTED])
    test, found = levels(tested[0]), []
    for seed in range(DRAWS):
        chosen = drawn(np.asarray(labels[:-TESTED]), number, seed)
        found.append(round(accuracy(levels(images[chosen]), labels[chosen], test, tested[1], seed), 3))
    return found


def main() -> None:
    """Run what is missing, and show the table."""
    options = study_parser(__doc__)
    options.add_argument("--held-out", action="store_true", help="test on training images that are left out")
    given = options.parse_args()
    torch.set_num_threads(1)
    cells = {}
    with kept(given.folder) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        done = given.results or folder / ("held_out.json" if given.held_out else "figures.json")
        for number in SIZES:
            key = f"levels | {number} | {DRAWS} draws"
            if given.finished and key not in known(done):
                continue
            one = over(once(done, key, partial(run, folder, number, given.held_out)))
            cells[str(number)] = f"{one.mean:.1f} ({one.low:.1f} to {one.high:.1f})"
            print(f"  {key}", flush=True)
    if cells:
        rows = [["examples a class", *cells], ["MobileNetV1 0.25 on levels", *cells.values()]]
        show(rows, f"Means of {DRAWS} draws, with intervals of 95 %: Student's t.", given.update, "transfer-levels")


if __name__ == "__main__":
    main()
