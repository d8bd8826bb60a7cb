"""Augmentations of codes of sound, for the ``augmentation`` of a datamodule: on the batch's device."""

from abc import ABC, abstractmethod

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.augmentation._draws import SILENT_SAMPLES, check_counts
from lossy_lightning.augmentation.codes import is_residual
from lossy_lightning.core import Codec, CodeStatistics


class _Filling(nn.Module, ABC):
    """Fills parts of codes ``(N, C, *grid)``, time last, with the code of silence, or with -1 in residual codes."""

    fill: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fill", torch.empty(0, dtype=torch.long), persistent=False)

    def adapt(self, codec: Codec, statistics: CodeStatistics) -> None:
        """Take over what fills: -1 where codes know it, a residual stage that is not sent, else the code of zeros.

        That is one frame, from the middle of a second of silence: the edges of a sound may be coded differently.

        Raises:
            MisconfigurationException: Where the codec is none of sounds.
        """
        silence = torch.zeros(1, codec.sample_rate or SILENT_SAMPLES, dtype=torch.int16)
        state = next(codec.buffers(), None) if isinstance(codec, nn.Module) else None
        try:
            spec = codec.spec(tuple(silence.shape))
            code = codec.encode(silence if state is None else silence.to(state.device))
        except ValueError as error:
            raise MisconfigurationException(
                f"{type(self).__name__} augments codes of sounds; {codec} cannot code one: {error}"
            ) from error
        middle = code[..., code.shape[-1] // 2].unsqueeze(-1).long()
        self.fill = torch.full_like(middle, -1) if is_residual(spec) else middle

    def forward(self, code: Tensor) -> Tensor:
        """The augmented codes, of the same shape and dtype.

        Raises:
            MisconfigurationException: Where `adapt` was not called.
            ValueError: Where the codes are not those of the codec that it was called with.
        """
        if not self.fill.numel():
            raise MisconfigurationException(
                f"{type(self).__name__} does not know the code of silence; hand it to a datamodule as augmentation, "
                "or call adapt(codec, statistics)"
            )
        if code.ndim != self.fill.ndim + 1:
            raise ValueError(
                f"{type(self).__name__} was adapted to codes of {self.fill.ndim} axes; got {tuple(code.shape)}, "
                "batch included"
            )
        return self.augment(code, self.fill.to(code))

    @abstractmethod
    def augment(self, code: Tensor, fill: Tensor) -> Tensor:
        """Augmented codes; ``fill`` is ``(C, *grid)``, one frame."""


class TimeShift(_Filling):
    """Moves each code in time, by a number of frames of its own; nothing wraps around.

    Args:
        max_frames: Greatest move to either side.

    Raises:
        ValueError: Where that is negative.

    Example:
        >>> from lossy_lightning.codecs import PCM
        >>> shift = TimeShift(max_frames=2)
        >>> shift.adapt(PCM(16), None)
        >>> shift(torch.ones(4, 1, 100, dtype=torch.int16)).shape
        torch.Size([4, 1, 100])
    """

    def __init__(self, max_frames: int) -> None:
        super().__init__()
        check_counts(max_frames=max_frames)
        self.max_frames = max_frames

    def augment(self, code: Tensor, fill: Tensor) -> Tensor:
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
        ValueError: Where a number is negative.

    Source: Park et al., SpecAugment, arXiv:1904.08779, 2019, section 2.
    """

    def __init__(self, max_frames: int, count: int = 1) -> None:
        super().__init__()
        check_counts(max_frames=max_frames, count=count)
        self.max_frames = max_frames
        self.count = count

    def augment(self, code: Tensor, fill: Tensor) -> Tensor:
        """Codes with silent stretches."""
        hidden = _stretches(code, code.shape[-1], self.max_frames, self.count)
        return torch.where(hidden.view(len(code), *[1] * (code.ndim - 2), -1), fill, code)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_frames={self.max_frames}, count={self.count}"


class FrequencyMask(_Filling):
    """Silences a band of each code ``(N, C, frequency, time)``: its width and its place are drawn for each.

    Args:
        max_bins: Greatest width, in rows of the code.
        count: Number of bands of each code.

    Raises:
        ValueError: Where a number is negative, or codes have no axis of frequency.

    Source: Park et al., SpecAugment, arXiv:1904.08779, 2019, section 2.
    """

    def __init__(self, max_bins: int, count: int = 1) -> None:
        super().__init__()
        check_counts(max_bins=max_bins, count=count)
        self.max_bins = max_bins
        self.count = count

    def augment(self, code: Tensor, fill: Tensor) -> Tensor:
        """Codes with silent bands."""
        _check_frequency(self, code)
        hidden = _stretches(code, code.shape[-2], self.max_bins, self.count)
        return torch.where(hidden.view(len(code), 1, -1, 1), fill, code)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_bins={self.max_bins}, count={self.count}"


class FrequencyStretch(_Filling):
    """Stretches each code ``(N, C, frequency, time)`` along frequency, as a longer or shorter throat would.

    A factor is drawn for each code; rows are those nearest, and silence comes in from above.

    Args:
        max_share: Greatest stretch: the factor is from ``1 - max_share`` to ``1 + max_share``.

    Raises:
        ValueError: Where that is not in [0, 1), or codes have no axis of frequency.

    Source: Jaitly & Hinton, Vocal tract length perturbation, ICML workshop on deep learning for audio, 2013.
    """

    def __init__(self, max_share: float) -> None:
        super().__init__()
        if not 0 <= max_share < 1:
            raise ValueError(f"max_share is in [0, 1); got {max_share}")
        self.max_share = max_share

    def augment(self, code: Tensor, fill: Tensor) -> Tensor:
        """Stretched codes."""
        _check_frequency(self, code)
        rows = code.shape[-2]
        factor = 1 + self.max_share * (2 * torch.rand(len(code), 1, 1, 1, device=code.device) - 1)
        source = (torch.arange(rows, device=code.device).view(-1, 1) / factor).round().long()
        moved = code.gather(-2, source.clamp(max=rows - 1).expand_as(code))
        return torch.where(source < rows, moved, fill)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_share={self.max_share}"


def _stretches(code: Tensor, size: int, longest: int, count: int) -> Tensor:
    """Whether each of ``size`` places lies in one of the stretches drawn for each code: ``(N, size)``."""
    length = torch.randint(0, min(longest, size) + 1, (len(code), count, 1), device=code.device)
    # Uniform over the places where the stretch fits.
    start = (torch.rand(length.shape, device=code.device) * (size - length + 1)).long()
    place = torch.arange(size, device=code.device)
    return ((place >= start) & (place < start + length)).any(1)


def _check_frequency(augmentation: nn.Module, code: Tensor) -> None:
    if code.ndim != 4:
        name = type(augmentation).__name__
        raise ValueError(f"{name} takes codes (N, C, frequency, time); got {tuple(code.shape)}: use TimeMask")
