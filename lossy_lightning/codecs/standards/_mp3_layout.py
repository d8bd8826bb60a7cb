"""What the codes of an MP3 codec hold, and how frames of files come to it and back."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.functional.mp3 import (
    dequantize,
    joint_stereo,
    lines_to_sound,
    synthesize,
    to_file_order,
    to_frequency_order,
)

LINES = 576
DELAY = 576 + 529  # samples: of LAME's filter bank, and of any decoder's
ENCODER_DELAY = 576  # as LAME writes it into files
_TAIL = 47  # samples that LAME codes beyond the end at least
_GREATEST_LEVEL = 15 + 2**13 - 1
_GREATEST_VALUE = 2**15 - 1
_NOWHERE = -1
#: Values of each granule and channel, and how many, before those of a granule.
_OF_CHANNEL = {
    "levels": LINES,
    "global_gain": 1,
    "scale_factors": 39,
    "subblock_gain": 3,
    "block_type": 1,
    "mixed": 1,
    "scalefac_scale": 1,
    "preflag": 1,
}
_OF_GRANULE = {"mid_side": 1, "intensity": 39, "intensity_scale": 1}


class MP3Layout(NamedTuple):
    """What the codes of a codec hold.

    Attributes:
        channels: Of the sound.
        sample_rate: In Hz.
        dequantize: Whether levels are spectral lines, and only the kinds of blocks follow.
    """

    channels: int
    sample_rate: int
    dequantize: bool

    @property
    def granules_a_frame(self) -> int:
        """2 in MPEG-1, else 1."""
        return 2 if self.sample_rate >= 32_000 else 1

    @property
    def num_channels(self) -> int:
        """Channels of a code."""
        return sum(_counts(self).values())

    def granules(self, samples: int) -> int:
        """Granules of the code of a sound, which is what LAME writes: whole frames."""
        a_frame = self.granules_a_frame
        return a_frame * -(-(samples + DELAY + _TAIL) // (LINES * a_frame))

    def samples(self, granules: int, delay: int | None, padding: int | None) -> int:
        """Samples of the sound of a file with so many granules, and with delay and padding as it says.

        If what it says cannot be, they are the most that a sound with this code can have.
        """
        if delay == ENCODER_DELAY and padding is not None:
            samples = LINES * granules - delay - padding
            if samples > 0 and self.granules(samples) == granules:
                return samples
        return max(0, LINES * granules - DELAY - _TAIL)

    def padding(self, granules: int, samples: int) -> int:
        """What a file says of the samples behind a sound."""
        return LINES * granules - ENCODER_DELAY - samples

    def spec(self, granules: int | None) -> CodeSpec:
        """Of the code of so many granules."""
        fields = [
            self._field("levels", -_GREATEST_LEVEL, _GREATEST_LEVEL),
            self._field("global_gain", 0, 255),
            self._field("scale_factors", 0, 15),
            self._field("subblock_gain", 0, 7),
            self._field("block_type", 0, 3, ordinal=False),
            self._field("mixed", 0, 1, ordinal=False),
            self._field("scalefac_scale", 0, 1, ordinal=False),
            self._field("preflag", 0, 1, ordinal=False),
        ]
        if self.dequantize:
            levels = self._field("levels", -_GREATEST_VALUE, _GREATEST_VALUE)
            return CodeSpec(
                [levels, *(field for field in fields if field.name in ("block_type", "mixed"))], (granules,)
            )
        if self.channels == 2:
            # Positions of MPEG-2 are scale factors of up to 5 bits.
            fields[2] = self._field("scale_factors", 0, 31)
            positions = Field("intensity", (0,) * 39, (30,) * 39, ordinal=True, absent=_NOWHERE)
            scale = Field("intensity_scale", (0,), (1,), ordinal=False)
            fields += [Field("mid_side", (0,), (1,), ordinal=False), positions, scale]
        return CodeSpec(fields, (granules,))

    def _field(self, name: str, low: int, high: int, ordinal: bool = True) -> Field:
        count = _OF_CHANNEL[name] * self.channels
        return Field(name, (low,) * count, (high,) * count, ordinal)

    def fill(self, units: NDArray[np.int16], values: dict[str, Any]) -> None:
        """Put what a reader gives of some granules into codes ``(granules, channels)``."""
        if self.dequantize:
            values = values | {"levels": _companded(self._lines(values))}
        at = 0
        for name, count in _counts(self).items():
            units[:, at : at + count] = values[name].reshape(len(units), count)
            at += count
        short = values["block_type"] == 2
        if not self.dequantize and short.any():
            levels, mixed = (torch.from_numpy(values[name][short]) for name in ("levels", "mixed"))
            sorted_levels = to_frequency_order(levels, torch.full_like(mixed, 2), mixed, self.sample_rate)
            units[:, : LINES * self.channels].reshape(*short.shape, LINES)[short] = sorted_levels.numpy()

    def values(self, code: Tensor) -> dict[str, Tensor]:
        """What readers give, of codes ``(..., channels, granules)`` that are not dequantized; levels in file order."""
        parts = {name: part.mT for name, part in self.spec(None).split(code).items()}
        for name, count in _OF_CHANNEL.items():
            whole = torch.unflatten(parts[name], -1, (self.channels, count))
            parts[name] = whole.squeeze(-1) if count == 1 else whole
        for name in ("mid_side", "intensity_scale"):
            if self.channels == 2:
                parts[name] = parts[name].squeeze(-1)
        levels = parts["levels"]
        parts["levels"] = to_file_order(levels, parts["block_type"], parts["mixed"], self.sample_rate)
        return parts

    def sound(self, code: Tensor) -> Tensor:
        """Sound of codes ``(..., channels, granules)``: float ``(..., channels, 576 * granules)``."""
        if self.dequantize:
            parts = self.spec(None).split(code)
            lines = torch.unflatten(parts["levels"].mT, -1, (self.channels, LINES)).float() / _GREATEST_VALUE
            lines = lines.sign() * lines.abs().pow(4 / 3)
            return lines_to_sound(lines, parts["block_type"].mT, parts["mixed"].mT, self.sample_rate)
        return synthesize(**self._complete(self.values(code)), sample_rate=self.sample_rate)

    def _lines(self, values: dict[str, Any]) -> Tensor:
        """Spectral lines ``(granules, channels, 576)``."""
        tensors = {name: torch.from_numpy(np.ascontiguousarray(values[name])) for name in (*_OF_CHANNEL, *_OF_GRANULE)}
        levels, gain, factors, subgain, kind, mixed, scale, flag = (tensors[name] for name in _OF_CHANNEL)
        lines = dequantize(levels, gain, factors, subgain, kind, mixed, scale, flag, self.sample_rate)
        if self.channels == 1:
            return lines
        mid_side, intensity, intensity_scale = (tensors[name] for name in _OF_GRANULE)
        return joint_stereo(lines, mid_side, intensity, intensity_scale, kind, mixed, self.sample_rate)

    def _complete(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Values with those of joint stereo, which one channel has not."""
        if self.channels == 2:
            return values
        none = torch.zeros_like(values["preflag"][..., 0])
        nowhere = torch.full((*none.shape, 39), _NOWHERE, device=none.device)
        return values | {"mid_side": none, "intensity": nowhere, "intensity_scale": none}


@lru_cache
def _counts(layout: MP3Layout) -> dict[str, int]:
    """Channels of each field of a code."""
    return {field.name: field.num_channels for field in layout.spec(None).fields}


def _companded(lines: Tensor) -> NDArray[np.int16]:
    """Lines to the power of 3/4, full scale 32 767, rounded."""
    companded = lines.sign() * lines.abs().pow(0.75) * _GREATEST_VALUE
    return companded.round().clamp(-_GREATEST_VALUE, _GREATEST_VALUE).to(torch.int16).numpy()
