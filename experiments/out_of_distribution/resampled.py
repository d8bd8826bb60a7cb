"""Drift of the sampling rate: networks trained on speech at 16 kHz, tested on clips that once had a lower rate.

Clips of the test speakers are brought to 8 or 12 kHz and back to 16 kHz, so that nothing is left above 4 or 6 kHz.
Networks are those of `experiments.transform_codecs.speech`, of a million multiply-accumulates a second.
"""

from functools import cache

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor, nn

from experiments.transform_codecs.speech import BATCH, encode, network, rows, split, within_budget
from experiments.transform_codecs.study import accuracy, train
from lossy_lightning.augmentation import TimeMask, TimeShift

CODES = ("log-mel", "spectrogram VQ", "log-mel, resampled in training")
FOLDS = (0, 1, 2)
ORIGINS = (16_000, 12_000, 8_000)
EPOCHS = 10


def run(code: str, fold: int, epochs: int = EPOCHS) -> dict[str, float]:
    """Accuracy by the rate that test clips came from, in percent."""
    torch.manual_seed(fold)
    (sounds, labels), (test_sounds, test_labels) = (split(name, fold) for name in ("train", "test"))
    name = code.partition(",")[0]
    codec = rows()[name].fit([sounds])
    if name != code:  # a third of the clips of each origin
        origins = torch.arange(len(sounds)) % len(ORIGINS)
        parts = [through(sounds[origins == i], rate) for i, rate in enumerate(ORIGINS)]
        sounds = torch.cat(parts)
        labels = torch.cat([labels[origins == i] for i in range(len(ORIGINS))])
    spec = codec.spec(tuple(sounds.shape[1:]))
    model = network(codec, width(name))
    changes = [TimeShift(4), TimeMask(5, count=2)]
    for change in changes:
        change.adapt([codec], spec, None)
    train(model, encode(codec, sounds), labels, epochs, fold, nn.Sequential(*changes), BATCH)
    tested = {rate: encode(codec, through(test_sounds, rate)) for rate in ORIGINS}
    return {str(rate): accuracy(model, codes, test_labels, nn.Identity()) for rate, codes in tested.items()}


@cache
def width(name: str) -> int:
    """Of the network of a code."""
    return within_budget(rows()[name])


def through(sounds: Tensor, rate: int) -> Tensor:
    """Sounds ``(N, 1, samples)`` at 16 kHz after a lower rate, int16."""
    if rate == 16_000:
        return sounds
    common = int(np.gcd(rate, 16_000))
    up, down = rate // common, 16_000 // common
    slow = resample_poly(sounds.numpy().astype(np.float32), up, down, axis=-1)
    again = resample_poly(slow, down, up, axis=-1)[..., : sounds.shape[-1]]
    return torch.from_numpy(again.round().clip(-(2**15), 2**15 - 1).astype(np.int16))
