"""Augmentations of codes of sound, for the ``augmentation`` of a datamodule: on the batch's device."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.augmentation._adapted import Adapted
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics
from lossy_lightning.core.arguments import check_integers, check_numbers

_SILENT_SAMPLES = 16_000
"""Samples of silence that tell how a codec without a rate of its own codes it."""


class _Filling(Adapted):
    """Fills parts of codes ``(N, C, *grid)``, time last; whole positions of the grid, so all fields at once.

    A field that may be absent becomes absent there, others are filled with the code of silence; constant ones stay.
    """

    fill: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fill", torch.empty(0, dtype=torch.long), persistent=False)

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over what fills: what says "absent" if a field knows it, else the code of zeros.

        That is one frame, from the middle of a second of silence: the edges of a sound may be coded differently.

        Raises:
            MisconfigurationException: If a codec is none of sounds, or they code silence differently.
        """
        filled = [field for field in spec.fields if not field.constant]
        fills = [torch.zeros(len(spec.low), *[1] * len(spec.grid), dtype=torch.long)]
        if any(field.absent is None for field in filled):
            fills = [self._silence(codec, spec) for codec in codecs]
        for field in filled:
            parts = [spec.narrow(fill, field.name) for fill in fills]
            if field.absent is not None:
                parts[0].fill_(field.absent)
            elif not all(torch.equal(part, parts[0]) for part in parts):
                raise MisconfigurationException(
                    f"{type(self).__name__} fills with the code of silence, which is not one for field {field.name!r} "
                    f"of {list(codecs)}: use one codec for all training examples, or leave the augmentation out"
                )
        self.fill = fills[0].to(self.fill.device)
        super().adapt(codecs, spec, statistics)

    def _silence(self, codec: Codec, spec: CodeSpec) -> Tensor:
        """A frame ``(C, *grid)`` of a codec's silence, of one position in time."""
        silence = torch.zeros(1, codec.sample_rate or _SILENT_SAMPLES, dtype=torch.int16)
        state = next(codec.buffers(), None) if isinstance(codec, nn.Module) else None
        try:
            codec.spec(tuple(silence.shape))
            code = codec.encode(silence if state is None else silence.to(state.device))
        except ValueError as error:
            raise MisconfigurationException(
                f"{type(self).__name__} augments codes of sounds; {codec} cannot code one: {error}"
            ) from error
        frame = code[..., code.shape[-1] // 2].unsqueeze(-1).long().cpu()
        if len(frame) not in (1, len(spec.low)):
            raise MisconfigurationException(
                f"{type(self).__name__} fills {len(spec.low)} channels with the code of silence, of which {codec} "
                f"makes {len(frame)} for one channel of sound: leave the augmentation out"
            )
        # Samples of several channels are silent alike.
        return frame.expand(len(spec.low), *frame.shape[1:]).clone()

    def forward(self, code: Tensor) -> Tensor:
        """The augmented codes, of the same shape and dtype.

        Raises:
            MisconfigurationException: If `adapt` was not called.
            ValueError: If these are not codes of the spec, batch included.
        """
        augmented = super().forward(code)
        for field in self.spec.fields:
            if field.constant:
                self.spec.narrow(augmented, field.name).copy_(self.spec.narrow(code, field.name))
        return augmented

    def augment(self, code: Tensor) -> Tensor:
        """Augmented codes."""
        return self.filled(code, self.fill.to(code))

    @abstractmethod
    def filled(self, code: Tensor, fill: Tensor) -> Tensor:
        """Codes of which parts are filled; ``fill`` is ``(C, *grid)``, one frame."""


class _FrequencyFilling(_Filling):
    """A `_Filling` of codes ``(N, C, frequency, time)``."""

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """As `_Filling`.

        Raises:
            MisconfigurationException: If codes have no axis of frequency besides, or fields several cells along it.
        """
        name = type(self).__name__
        if len(spec.grid) != 2:
            raise MisconfigurationException(
                f"{name} takes codes on a grid of frequency and time; the fields "
                f"{[field.name for field in spec.fields]} are on a grid of {len(spec.grid)} axes: use TimeMask"
            )
        for field in spec.fields:
            if field.cells and field.cells[0] > 1:
                raise MisconfigurationException(
                    f"{name} takes fields of one row of frequency for each of the grid; field {field.name!r} has cells "
                    f"{field.cells}: use TimeMask"
                )
        super().adapt(codecs, spec, statistics)


class TimeShift(_Filling):
    """Moves each code in time, by a number of frames of its own; nothing wraps around.

    Args:
        max_frames: Greatest move to either side.

    Raises:
        ValueError: If that is negative.

    Example:
        >>> from lossy_lightning.codecs import PCM
        >>> shift = TimeShift(max_frames=2)
        >>> shift.adapt([PCM(16)], PCM(16).spec((1, 100)), None)
        >>> shift(torch.ones(4, 1, 100, dtype=torch.int16)).shape
        torch.Size([4, 1, 100])
    """

    moves_places = True

    def __init__(self, max_frames: int) -> None:
        super().__init__()
        check_integers(0, max_frames=max_frames)
        self.max_frames = max_frames

    def filled(self, code: Tensor, fill: Tensor) -> Tensor:
        """Moved codes."""
        ones = [1] * (code.ndim - 1)
        move = torch.randint(-self.max_frames, self.max_frames + 1, (len(code), *ones), device=code.device)
        source = torch.arange(code.shape[-1], device=code.device) - move
        moved = code.gather(-1, source.clamp(0, code.shape[-1] - 1).expand_as(code))
        return torch.where((source >= 0) & (source < code.shape[-1]), moved, fill)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_frames={self.max_frames}"


class TimeMask(_Filling):
    """Silences a stretch of each code: its length, from 0 to ``max_frames``, and its place are drawn for each.

    Args:
        max_frames: Greatest length.
        count: Number of stretches of each code.

    Raises:
        ValueError: If a number is negative.

    Source: Park et al., SpecAugment, arXiv:1904.08779, 2019, section 2.

    Example:
        >>> from lossy_lightning.codecs import PCM
        >>> mask = TimeMask(max_frames=2)
        >>> mask.adapt([PCM(16)], PCM(16).spec((1, 100)), None)
        >>> bool((mask(torch.ones(4, 1, 100, dtype=torch.int16)) == 0).sum(-1).max() <= 2)
        True
    """

    def __init__(self, max_frames: int, count: int = 1) -> None:
        super().__init__()
        check_integers(0, max_frames=max_frames, count=count)
        self.max_frames = max_frames
        self.count = count

    def filled(self, code: Tensor, fill: Tensor) -> Tensor:
        """Codes with silent stretches."""
        hidden = _stretches(code, code.shape[-1], self.max_frames, self.count)
        return torch.where(hidden.view(len(code), *[1] * (code.ndim - 2), -1), fill, code)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_frames={self.max_frames}, count={self.count}"


class FrequencyMask(_FrequencyFilling):
    """Silences a band of each code ``(N, C, frequency, time)``: its width and its place are drawn for each.

    Args:
        max_bins: Greatest width, in rows of the code.
        count: Number of bands of each code.

    Raises:
        ValueError: If a number is negative.

    Source: Park et al., SpecAugment, arXiv:1904.08779, 2019, section 2.

    Example:
        >>> mask = FrequencyMask(max_bins=8, count=2)
        >>> mask
        FrequencyMask(max_bins=8, count=2)
    """

    def __init__(self, max_bins: int, count: int = 1) -> None:
        super().__init__()
        check_integers(0, max_bins=max_bins, count=count)
        self.max_bins = max_bins
        self.count = count

    def filled(self, code: Tensor, fill: Tensor) -> Tensor:
        """Codes with silent bands."""
        hidden = _stretches(code, code.shape[-2], self.max_bins, self.count)
        return torch.where(hidden.view(len(code), 1, -1, 1), fill, code)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_bins={self.max_bins}, count={self.count}"


class FrequencyStretch(_FrequencyFilling):
    """Stretches each code ``(N, C, frequency, time)`` along frequency, as a longer or shorter throat would.

    A factor is drawn for each code; rows are those nearest, and silence comes in from above.

    Args:
        max_stretch: Greatest stretch: the factor is from ``1 - max_stretch`` to ``1 + max_stretch``.

    Raises:
        ValueError: If that is not in [0, 1).

    Source: Jaitly & Hinton, Vocal tract length perturbation, ICML workshop on deep learning for audio, 2013.

    Example:
        >>> FrequencyStretch(max_stretch=0.1)
        FrequencyStretch(max_stretch=0.1)
    """

    moves_places = True

    def __init__(self, max_stretch: float) -> None:
        super().__init__()
        check_numbers(0, 1, excluded=1, max_stretch=max_stretch)
        self.max_stretch = max_stretch

    def filled(self, code: Tensor, fill: Tensor) -> Tensor:
        """Stretched codes."""
        rows = code.shape[-2]
        factor = 1 + self.max_stretch * (2 * torch.rand(len(code), 1, 1, 1, device=code.device) - 1)
        source = (torch.arange(rows, device=code.device).view(-1, 1) / factor).round().long()
        moved = code.gather(-2, source.clamp(max=rows - 1).expand_as(code))
        return torch.where(source < rows, moved, fill)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_stretch={self.max_stretch}"


def _stretches(code: Tensor, size: int, max_length: int, count: int) -> Tensor:
    """Whether each of ``size`` places lies in one of the stretches drawn for each code: ``(N, size)``."""
    length = torch.randint(0, min(max_length, size) + 1, (len(code), count, 1), device=code.device)
    # Uniform over the places where the stretch fits.
    start = (torch.rand(length.shape, device=code.device) * (size - length + 1)).long()
    place = torch.arange(size, device=code.device)
    return ((place >= start) & (place < start + length)).any(1)
