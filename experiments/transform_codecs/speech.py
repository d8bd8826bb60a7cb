"""Codes of sound at one rate, on Speech Commands at one budget: log-mel, MDCT and two quantizers, spectrogram VQ.

    LOSSY_DATA=... python -m experiments.transform_codecs.speech [--epochs 15] [--folds 0 1 2 3 4] [--rows NAME ...]
        [--validate] [--folder FOLDER] [--update docs/transform.md]

Each row is a codec of about one bit a sample, 62 to 65 frames a second. Networks of one million multiply-accumulates a
second read its code: `SequenceNet`, as wide as the budget allows, over features of each frame. Features of a log-mel
spectrogram are its values, of codebook indices trained rows of a table, and of MDCT levels sums of what they stand for
in bands, as `SpectralBands` has it, beside thresholds or energies. Training codes are shifted in time and masked, and
the last epoch is tested on speakers that were not heard in training. `--validate` takes the held-out tenth of the
training speakers instead: what was tried before was tried there.

Bits are zeroth-order entropies of all clips, each channel and each row of frequency by itself; those of `BandShapes`
are its own, of numbered shapes. Encoding is processor time on one thread. The folder keeps the figures of each run as
it ends, so that what is there is not run again.
"""

import math
import time
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.accuracy.transform_rates import sound_bits
from benchmarks.harness import kept, machine, once, parser, positive, precision, seconds, show, spread
from experiments.transform_codecs.study import accuracy, train
from lossy_lightning.augmentation import TimeMask, TimeShift
from lossy_lightning.codecs import (
    MDCT,
    PCM,
    VQ,
    BandShapes,
    MelSpectrogram,
    Psychoacoustic,
    Spectrogram,
    TransformCodec,
    Uniform,
)
from lossy_lightning.core import Codec, CodeSpec
from lossy_lightning.data import SpeechCommands, read_sound
from lossy_lightning.nn import Embed, Scale, SequenceNet
from lossy_lightning.profiling import count_macs

RATE, LINES = 16_000, 256
BUDGET, BATCH = 1_000_000, 32
SHAPE = (1, RATE)


def rows() -> dict[str, TransformCodec]:
    """Codecs by name, none of them fitted."""
    return {
        "log-mel": TransformCodec(MelSpectrogram(512, 256, n_mels=58), Uniform(5)),
        "MDCT, psychoacoustic": TransformCodec(MDCT(LINES), Psychoacoustic(LINES, RATE, 0.36)),
        "MDCT, PVQ": TransformCodec(MDCT(LINES), BandShapes(LINES, RATE, 0.7)),
        "spectrogram VQ": TransformCodec(Spectrogram(), VQ((2, 2), 28)),
    }


def encode(codec: TransformCodec, sounds: Tensor) -> Tensor:
    """Codes of many sounds, a few at a time."""
    return torch.cat([codec.encode(few) for few in sounds.split(60)])


class Bands(nn.Module):
    """Logarithms of what a code's spectral lines sum up to in bands, beside its fields without signs.

    A line of an MDCT comes and goes with the phase of a tone, a sum over neighbours much less. Bands are even on the
    mel scale, of at least one line.
    """

    def __init__(self, quantizer: Codec, spec: CodeSpec) -> None:
        super().__init__()
        hertz = (torch.arange(LINES) + 0.5) * (RATE / 2 / LINES)
        place = (58 * (1 + hertz / 700).log() / math.log1p(RATE / 2 / 700)).floor()
        self.register_buffer("band", torch.unique(place, return_inverse=True)[1])
        self.quantizer = quantizer
        self.spec = spec
        self.rest = [field for field in spec.fields if min(field.low) >= 0]
        rows = int(self.band.max()) + 1 + sum(field.num_channels for field in self.rest)
        self.shape = (rows, *spec.grid)

    def forward(self, code: Tensor) -> Tensor:
        """``(N, C, frames)`` of a code."""
        power = self.quantizer.decode(code).square()
        sums = power.new_zeros(len(code), int(self.band.max()) + 1, code.shape[-1]).index_add(1, self.band, power)
        parts = self.spec.split(code)
        return torch.cat([sums.log1p(), *(parts[field.name].float() for field in self.rest)], 1)


def network(codec: TransformCodec, width: int) -> nn.Sequential:
    """Reads codes of a second of sound."""
    spec = codec.spec(SHAPE)
    if len(spec.grid) == 1 and isinstance(codec.quantizer, Codec):
        stem: nn.Module = Bands(codec.quantizer, spec)
    else:
        stem = Scale(spec) if spec.fields[0].ordinal else Embed(spec, 2)
    return nn.Sequential(stem, SequenceNet(stem.shape, 8, (width, width, 2 * width, 2 * width), (1, 2, 1, 2)))


def within_budget(codec: TransformCodec) -> int:
    """The greatest width of which a network keeps to the budget."""
    spec, width = codec.spec(SHAPE), 8
    code = torch.zeros(1, *spec.shape, dtype=spec.dtype)
    while sum(count_macs(network(codec, width + 1).eval(), code).values()) <= BUDGET:
        width += 1
    return width


@cache
def clips() -> Tensor:
    """All clips, ``(N, 1, 16 000)``."""
    data = SpeechCommands(PCM(16))
    return torch.stack([read_sound(path, data.form) for path, _, _ in data.sounds])


def split(name: str, fold: int) -> tuple[Tensor, Tensor]:
    """Clips of a split, and their classes."""
    sounds = SpeechCommands(PCM(16), test_fold=fold).sounds
    chosen = torch.tensor([each.split == name for each in sounds])
    return clips()[chosen], torch.tensor([each.target for each in sounds])[chosen]


def run(name: str, epochs: int, fold: int, tested: str) -> dict[str, Any]:
    """Accuracy of one network, on a split."""
    torch.manual_seed(fold)
    (sounds, labels), (test_sounds, test_labels) = split("train", fold), split(tested, fold)
    codec = rows()[name].fit([sounds])
    spec = codec.spec(SHAPE)
    model = network(codec, within_budget(codec))
    changes = [TimeShift(4), TimeMask(5, count=2)]
    for change in changes:
        change.adapt([codec], spec, None)
    train(model, encode(codec, sounds), labels, epochs, fold, nn.Sequential(*changes), BATCH)
    return {"accuracy": accuracy(model, encode(codec, test_sounds), test_labels, nn.Identity())}


def measure(name: str) -> dict[str, float]:
    """Rate and encoding time of all clips, the codec fitted to all of them."""
    sounds = clips()
    codec = rows()[name].fit([sounds])
    minute = sounds[:60].flatten().unsqueeze(0)
    taken = min(seconds(partial(codec.encode, minute), time.process_time) for _ in range(3))
    return {"bits": sound_bits(codec.quantizer, encode(codec, sounds)) / sounds.numel(), "ms": 1000 * taken}


def main() -> None:
    """Run what is missing, and show the table."""
    options = parser(__doc__)
    options.add_argument("--epochs", type=positive, default=15)
    options.add_argument("--folds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    options.add_argument("--rows", nargs="+", metavar="NAME", choices=list(rows()), help="rows to run; default all")
    options.add_argument("--validate", action="store_true", help="validation speakers instead of the test speakers")
    options.add_argument("--folder", type=Path, help="where figures are kept")
    options.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = options.parse_args()
    tested = "val" if given.validate else "test"
    told = [["code", "bits a sample", "encoding a minute, ms", f"{tested} accuracy, %", "of each fold, %"]]
    with kept(given.folder) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        figures: dict[str, list[float]] = {name: [] for name in given.rows or rows()}
        for fold in given.folds:  # folds come in rounds, so that what is there is balanced
            for name, found in figures.items():
                key = f"{rows()[name]!r} {given.epochs} epochs, {tested} fold {fold}"
                kept_one = once(folder / "speech.json", key, partial(run, name, given.epochs, fold, tested))
                found.append(kept_one["accuracy"])
                print(f"  {name}, fold {fold}: {found[-1]:.2f} %", flush=True)
        for name, found in figures.items():
            about = once(folder / "speech.json", repr(rows()[name]), partial(measure, name))
            each = ", ".join(f"{figure:.1f}" for figure in found)
            told.append([name, f"{about['bits']:.2f}", f"{about['ms']:.0f}", spread(found), each])
    note = f"{given.epochs} epochs, {len(given.folds)} fold(s) of speakers, in {precision()}. {machine()}."
    show(told, note, given.update, "transform-speech")


if __name__ == "__main__":
    main()
