"""What stems of MP3 codes share: levels times their gains."""

import torch
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, InputError, Stem, valid_positions
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional.mp3 import joint_stereo, line_gains
from lossy_lightning.nn.layers._padding import norm_of_valid

LINES = 576
_OF_CHANNEL = (
    "levels",
    "global_gain",
    "scale_factors",
    "subblock_gain",
    "block_type",
    "mixed",
    "scalefac_scale",
    "preflag",
)
_OF_GRANULE = ("mid_side", "intensity", "intensity_scale")
#: Lines are in units of a 16-bit sample, so that faint ones are not small beside what a batch norm adds.
_UNIT = 2**15
_FAINT = 1e-3  # of that unit


class CompandedLines(Stem):
    """A stem whose features are made of companded spectral lines, with a batch norm for each feature of a granule.

    Args:
        spec: Of the code of `MP3`.
        sample_rate: Of the codec, in Hz.
        features: Of each channel.

    Raises:
        ValueError: If the code is not one of `MP3`, not dequantized.
    """

    def __init__(self, spec: CodeSpec, sample_rate: int, features: int) -> None:
        check_integers(1, sample_rate=sample_rate)
        super().__init__(spec)
        names = tuple(field.name for field in spec.fields)
        if names not in (_OF_CHANNEL, _OF_CHANNEL + _OF_GRANULE) or len(spec.field("levels").low) % LINES:
            raise InputError(
                f"{type(self).__name__} reads codes of MP3(dequantize=False); got codes of the fields {names}"
            )
        self.sample_rate = sample_rate
        self.channels = len(spec.field("levels").low) // LINES
        self.shape = (self.channels * features, spec.grid[0])
        self.norm = nn.BatchNorm1d(self.channels * features)

    def companded(self, code: Tensor) -> Tensor:
        """Companded lines ``(N, granules, channels, 576)``, full scale about ``32768 ** (3/4)``."""
        parts = self._parts(code)
        levels, gain, factors, subgain, kind, mixed, scale, flag = (parts[name] for name in _OF_CHANNEL)
        gain = (line_gains(gain, factors, subgain, kind, mixed, scale, flag, self.sample_rate) * _UNIT).float()
        if self.channels == 1:
            return levels * gain.pow(0.75)
        lines = levels.sign() * levels.abs().float().pow(4 / 3) * gain
        mid_side, intensity, intensity_scale = (parts[name] for name in _OF_GRANULE)
        lines = joint_stereo(lines, mid_side, intensity, intensity_scale, kind, mixed, self.sample_rate)
        # The power of 3/4 has no slope at 0.
        return lines * (lines.abs() + _FAINT).pow(-0.25)

    def normalized(self, values: Tensor, grid_size: Tensor | None) -> Tensor | tuple[Tensor, Tensor]:
        """Features ``(N, channels * features, granules)`` of values ``(N, granules, channels, features)``.

        With their own sizes if codes are padded.
        """
        features = values.flatten(2).mT
        valid = None
        if grid_size is not None and self.training:
            valid = valid_positions(grid_size, (features.shape[2],))
        features = norm_of_valid(self.norm, features, valid)
        return features if grid_size is None else (features, grid_size)

    def _parts(self, code: Tensor) -> dict[str, Tensor]:
        """Fields by granule and channel."""
        parts = {name: part.mT for name, part in self.code_spec.split(code).items()}
        for name in _OF_CHANNEL:
            whole = torch.unflatten(parts[name], -1, (self.channels, -1))
            parts[name] = whole.squeeze(-1) if whole.shape[-1] == 1 else whole
        return {
            name: part.squeeze(-1) if name in ("mid_side", "intensity_scale") else part for name, part in parts.items()
        }
