"""Spoken words as MP3 files: routes into networks on levels and on decoded samples."""

import io
from functools import partial
from typing import Any, NamedTuple

import soundfile
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.attack.routes import Route, Stored
from lossy_lightning.attacks import fixed_values, straight_through
from lossy_lightning.codecs import MP3
from lossy_lightning.core import InputError
from lossy_lightning.functional.mp3 import line_gains, lines_to_sound, sound_to_lines

RATE, SHAPE, FULL = 16_000, (1, 16_000), 2**15
DELAY, AHEAD = 1105, 48
"""Samples by which a decoder is late, and how many of them are not of the filter bank."""
QUERIES, QUERIES_CODED = 100, 20
"""Of a black box: if samples are read as they are, and if LAME codes them each time."""
_MEASURES = {"samples": ["greatest"], "coded samples": ["greatest"], "codes": ["greatest", "number"]}


class _Rising(torch.autograd.Function):
    """Levels of 0 as if they were half a step, so that there is a slope; of 0, a band's energy can only rise."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        context.save_for_backward(values)
        return torch.where(values == 0, 0.5, values)

    @staticmethod
    def backward(context: Any, slope: Tensor) -> Tensor:
        (values,) = context.saved_tensors
        return torch.where(values == 0, slope.clamp(min=0), slope)


class Lines(NamedTuple):
    """Levels of codes, and what makes them spectral lines: ``(N, granules, 1, ...)``.

    Attributes:
        levels: By frequency.
        gains: What ``|level| ** (4 / 3)`` is multiplied with.
        kinds: Kind and mixture of the blocks.
    """

    levels: Tensor
    gains: Tensor
    kinds: tuple[Tensor, Tensor]


class Sounds:
    """One second of sound as MP3 files, and networks on them.

    Args:
        codec: Of the files.
    """

    measures = _MEASURES

    def __init__(self, codec: MP3) -> None:
        self.codec = codec
        self.spec = codec.spec(SHAPE)

    def encode(self, signal: Tensor) -> Tensor:
        """Codes of sounds, by LAME."""
        return self.codec.encode(signal)

    def decode(self, code: Tensor) -> Tensor:
        """Sounds of codes."""
        return self.codec.decode(code, SHAPE)

    def lines(self, code: Tensor) -> Lines:
        """Levels of a code, and the gains that stand beside them."""
        parts = {name: part.mT.unsqueeze(-2) for name, part in self.spec.split(code).items()}
        each = {name: part.squeeze(-1) for name, part in parts.items()}
        gains = line_gains(
            each["global_gain"], parts["scale_factors"], parts["subblock_gain"], each["block_type"], each["mixed"],
            each["scalefac_scale"], each["preflag"], RATE,
        )  # fmt: skip
        return Lines(parts["levels"], gains.float(), (each["block_type"], each["mixed"]))

    def unfold(self, values: Tensor) -> Tensor:
        """Sounds of codes in floats; a level of 0 has the slope to the next, for its own is none."""
        levels, gains, kinds = self.lines(values)
        lines = levels * levels.abs().clamp(min=1).pow(1 / 3) * gains
        return lines_to_sound(lines, *kinds, RATE)[..., DELAY : DELAY + SHAPE[1]] * FULL

    def fold(self, values: Tensor, code: Tensor) -> Tensor:
        """Levels of sounds with the gains and blocks of a code, not rounded: a code in floats, differentiable."""
        _, gains, kinds = self.lines(code)
        behind = 576 * code.shape[-1] - AHEAD - values.shape[-1]
        lines = sound_to_lines(F.pad(values / FULL, (AHEAD, behind)), *kinds, RATE) / gains
        levels = lines * (lines.abs() + 0.5).pow(-1 / 4)
        return torch.cat([levels.squeeze(2).mT, code[:, levels.shape[-1] :].float()], 1)

    def at_gains(self, code: Tensor, seen: Tensor) -> Tensor:
        """Codes of other sounds with the gains and blocks of these: only levels differ."""
        low, high = (torch.tensor(bound).view(-1, 1) for bound in (self.spec.low, self.spec.high))
        levels = self.fold(seen.float(), code)
        return levels.round().clamp(low, high).to(code.dtype)

    def read(self, samples: bool, stored: Stored) -> Tensor:
        """What the network on samples, or that on codes, reads of files."""
        return stored.signal.float() if samples else stored.code

    def fits(self, code: Tensor) -> Tensor:
        """Which codes a file can hold, ``(N,)``: a granule has 4095 bits at most."""
        return torch.tensor([self._fits(each) for each in code], dtype=torch.bool)

    def _fits(self, code: Tensor) -> bool:
        self.spec.check(code)
        try:
            self.codec.write(code, SHAPE)
        except InputError:
            return False
        return True

    def write(self, code: Tensor) -> Stored:
        """MP3 files, read again."""
        files = [self.codec.write(each, SHAPE) for each in code]
        again = torch.stack([self.codec.read(data)[0] for data in files])
        return Stored(self.decode(again), again, torch.tensor([len(data) for data in files]))

    def routes(self, samples: bool, net: nn.Module, signal: Tensor) -> list[Route]:
        """Into a network on samples or on levels."""

        def as_sound(values: Tensor) -> Tensor:
            return values.round().clamp(-FULL, FULL - 1).to(torch.int16)

        def heard(values: Tensor) -> Tensor:
            return self.decode(values.round().to(torch.int16)).float()

        def coded(values: Tensor) -> Tensor:
            with torch.no_grad():
                code = self.encode(as_sound(values.detach()))
                found = net(self.decode(code).float() if samples else code)
            if not torch.is_grad_enabled():
                return found
            smooth = net(values if samples else self.fold(values, code))
            return smooth + (found - smooth).detach()

        def write_coded(sounds: Tensor) -> Stored:
            return self.write(self.encode(sounds))

        rising = straight_through(net.forward, lambda values: net(_Rising.apply(values)))
        through = straight_through(heard, self.unfold)
        code, read = self.encode(signal), partial(self.read, samples)
        found = [
            Route("coded samples", signal, -FULL, FULL - 1, coded, write_coded, read, net, queries=QUERIES_CODED),
            Route(
                *("codes", code, self.spec.low, self.spec.high),
                (lambda values: net(through(values))) if samples else rising,
                *(self.write, read, net),
                encode=partial(self.at_gains, code), cost=self._cost(code),
                fixed=fixed_values(self.spec, ["levels"]), undoing=True, fits=self.fits,
            ),
        ]  # fmt: skip
        if samples:
            found.insert(
                0,
                Route(
                    *("samples", self.decode(code), -FULL, FULL - 1, net.forward, write_wav, read, net),
                    queries=QUERIES,
                ),
            )
        return found

    def _cost(self, code: Tensor) -> Tensor:
        """Squared change of a line by a step of each level, of each example; of values that stay 0."""
        levels, gains, _ = self.lines(code)
        steps = (gains * (levels.abs().float() + 0.5).pow(1 / 3)).squeeze(2).mT
        return F.pad(steps.square(), (0, 0, 0, code.shape[1] - steps.shape[1]))


def write_wav(sounds: Tensor) -> Stored:
    """16-bit WAV files of sounds, read again."""
    sizes, again = [], []
    for sound in sounds.mT.numpy():
        file = io.BytesIO()
        soundfile.write(file, sound, RATE, format="WAV", subtype="PCM_16")
        sizes.append(len(file.getvalue()))
        file.seek(0)
        again.append(torch.from_numpy(soundfile.read(file, dtype="int16", always_2d=True)[0]))
    signal = torch.stack(again).mT.contiguous()
    return Stored(signal, signal, torch.tensor(sizes))
