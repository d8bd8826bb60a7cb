"""One codebook against several stages at equal bits: what is left of log spectrograms of speech.

    LOSSY_DATA=... python -m benchmarks.accuracy.residual_vq [--update docs/sound.md]

Codebooks are fitted to 2 000 training clips of Speech Commands, and measured on 300 test clips, of other speakers. The
log-spectral distance is the root mean square over frequency of the difference of log power spectra, averaged over
frames, of the quantized spectrograms themselves, and of sounds decoded by Griffin and Lim's algorithm.
"""

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.harness import parser, show
from lossy_lightning.callbacks._distortion import log_spectral_distance
from lossy_lightning.codecs import PCM, RVQ, VQ, Spectrogram, TransformCodec
from lossy_lightning.data import SpeechCommands
from lossy_lightning.functional import perplexity

PAIRS = [
    (VQ((2, 2), 256), RVQ((4, 4), 256, num_stages=4)),
    (VQ((2, 2), 16), RVQ((4, 4), 256, num_stages=2)),
    (VQ((4, 4), 256), RVQ((8, 8), 256, num_stages=4)),
]
FITTED, TESTED, DECODED = 2000, 300, 60
HEADS = ["codec of the spectrogram", "bits a second", "words at work, least of the stages"]


def clips(split: str, count: int) -> Tensor:
    """Clips evenly spread over a split, ``(count, 1, 16000)``."""
    data = SpeechCommands(PCM(16), batch_size=1)
    source = data.signals(split)
    assert source is not None
    return torch.stack([source[i * len(source) // count][0] for i in range(count)])


def words_at_work(code: Tensor, levels: int) -> float:
    """The least perplexity of all stages of codes ``(N, stages, *grid)``."""
    counts = [stage.long().bincount(minlength=levels) for stage in code.movedim(1, 0).flatten(1)]
    return float(perplexity(torch.stack(counts)).min())


def measure(codec: TransformCodec, fitted: Tensor, tested: Tensor) -> tuple[float, float, float]:
    """Words at work, and distances of spectrograms and of sounds, in dB."""
    codec.fit([fitted])
    words, values = codec.quantizer, codec.analysis(tested)
    assert isinstance(words, VQ)
    code = words.encode(values)
    power = 20 / math.log(10) * (words.decode(code) - values)
    some = tested[:DECODED]
    sound = log_spectral_distance(some.float(), codec.decode(code[:DECODED], tuple(some.shape[1:])).float())
    return words_at_work(code, words.levels), float(power.square().mean(-2).sqrt().mean()), float(sound.mean())


def rows() -> list[list[str]]:
    """A row for each codec."""
    fitted, tested = clips("train", FITTED), clips("test", TESTED)
    found = [[*HEADS, "spectrogram, dB", "beside VQ", "sound, dB", "beside VQ"]]
    for pair in PAIRS:
        first: tuple[float, ...] = ()
        for words in pair:
            codec = TransformCodec(Spectrogram(), words)
            at_work, *distances = measure(codec, fitted, tested)
            bits = codec.spec((1, 16_000)).num_bits
            row = [f"`{words}`", f"{bits:,}", f"{at_work:.0f} of {words.levels}"]
            for i, distance in enumerate(distances):
                row += [f"{distance:.2f}", f"{100 * (distance / first[i] - 1):+.1f} %" if first else ""]
            found.append(row)
            first = tuple(distances)
    return found


def main() -> None:
    """Measure, and show the table."""
    given: argparse.ArgumentParser = parser(__doc__)
    given.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    note = f"Fitted to {FITTED} clips, tested on {TESTED} of other speakers, decoded {DECODED} of these."
    show(rows(), note, given.parse_args().update, "residual-vq")


if __name__ == "__main__":
    main()
