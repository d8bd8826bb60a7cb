"""Flips of wavelet codes, for the ``augmentation`` of a datamodule: on the batch's device."""

from collections.abc import Sequence

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lossy_lightning.augmentation._adapted import Adapted
from lossy_lightning.augmentation._draws import choose
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, InputError
from lossy_lightning.core.arguments import check_integers, check_numbers
from lossy_lightning.functional import mirror_to


class SubbandFlip(Adapted):
    """Flips images in their wavelet codes left and right, up and down, or both ways, each with a probability.

    Exact, in exact arithmetic: the flipped code is that of the flipped image. Filters of odd length make it so, if the
    first and the last sample of an axis are both samples of low frequencies on every level: its length is ``k * 2**L +
    1`` with L levels. Other lengths are refused for axes that are flipped. Subbands are flipped before what fills the
    grid beyond them, which is mirrored anew.

    Args:
        size: Height and width of the images in samples.
        horizontal_probability: That left and right change.
        vertical_probability: That top and bottom change.

    Raises:
        ValueError: If a size is below 1, or a probability not from 0 to 1.

    Source: Brislawn, Classification of nonexpansive symmetric extension transforms for multirate filter banks, Applied
        and Computational Harmonic Analysis 3(4), 1996 (whole-sample symmetry).

    Example:
        >>> from lossy_lightning.codecs import DeadZone, TransformCodec, Wavelet
        >>> codec = TransformCodec(Wavelet(2), DeadZone(0.5))
        >>> flip = SubbandFlip((33, 29), horizontal_probability=1.0)
        >>> flip.adapt([codec], codec.spec((3, 33, 29)), None)
        >>> code = codec.encode(torch.zeros(4, 3, 33, 29, dtype=torch.uint8))
        >>> torch.equal(flip(flip(code)), code)
        True
    """

    def __init__(
        self, size: Sequence[int], horizontal_probability: float = 0.5, vertical_probability: float = 0.0
    ) -> None:
        super().__init__()
        if isinstance(size, str) or not isinstance(size, Sequence) or len(size) != 2:
            raise InputError(f"size is (height, width); got {size!r}")
        check_integers(1, height=size[0], width=size[1])
        check_numbers(0, 1, horizontal_probability=horizontal_probability, vertical_probability=vertical_probability)
        self.size = tuple(size)
        self.horizontal_probability = horizontal_probability
        self.vertical_probability = vertical_probability
        self._axes = [
            (axis, probability)
            for axis, probability in ((-1, horizontal_probability), (-2, vertical_probability))
            if probability > 0
        ]

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over the subbands.

        Raises:
            MisconfigurationException: If the fields are no subbands, the grid is not that of the size, or a length that
                is flipped is not ``k * 2**L + 1``.
        """
        levels = (len(spec.fields) - 1) // 3
        kinds = [f"{kind}_{level}" for level in range(levels, 0, -1) for kind in ("hl", "lh", "hh")]
        if not levels or [field.name for field in spec.fields] != ["ll", *kinds] or len(spec.grid) != 2:
            raise MisconfigurationException(
                f"SubbandFlip takes codes of Wavelet; {list(codecs)} have the fields "
                f"{[field.name for field in spec.fields]}"
            )
        grid = tuple((side - 1 >> levels) + 1 for side in self.size)
        if any(have not in (None, want) for have, want in zip(spec.grid, grid, strict=True)):
            raise MisconfigurationException(
                f"images of size {self.size} have the grid {grid}; got codes on {spec.grid}"
            )
        for axis, _ in self._axes:
            if self.size[axis] % 2**levels != 1:
                raise MisconfigurationException(
                    f"a flip is exact only along axes of k * {2**levels} + 1 samples, whose ends are both low "
                    f"frequencies of all {levels} levels; got size {self.size}: crop images so, or flip signals instead"
                )
        self._levels = levels
        super().adapt(codecs, spec, statistics)

    def augment(self, code: Tensor) -> Tensor:
        """Flipped codes."""
        for axis, probability in self._axes:
            chosen = torch.rand(len(code), device=code.device) < probability
            code = choose(chosen, self._flipped(code, axis), code)
        return code

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"size={self.size}, horizontal_probability={self.horizontal_probability}, "
            f"vertical_probability={self.vertical_probability}"
        )

    def _flipped(self, code: Tensor, axis: int) -> Tensor:
        high = ("hl", "hh") if axis == -1 else ("lh", "hh")
        parts = self.spec.split(code)
        for name, part in parts.items():
            level = self._levels if name == "ll" else int(name[3:])
            low = (self.size[axis] - 1 >> level) + 1
            count = low - 1 if name[:2] in high else low
            parts[name] = mirror_to(part.narrow(axis, 0, count).flip(axis), part.shape[axis], axis)
        return self.spec.join(parts)
