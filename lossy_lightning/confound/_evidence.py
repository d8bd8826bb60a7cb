"""The evidence that a data set's headers give."""

from dataclasses import dataclass

from lossy_lightning.confound._prediction import Prediction

_LOST, _ALONE = 0.01, 0.55
"""Area that shuffling a trace must cost, or that it must have alone, before it is told as evidence."""


@dataclass(frozen=True)
class ClassTrait:
    """What most files of a class look like.

    Attributes:
        label: Name of the class.
        text: Values of the traces that matter, such as ``q95 4:4:4``.
        share: Share of the class's files that have them.
        share_elsewhere: Share of the other classes' files that have them.

    Example:
        >>> trait = ClassTrait("fake", "q95 4:4:4", share=0.98, share_elsewhere=0.03)
        >>> f"{trait.share:.0%} of {trait.label} are {trait.text}, {trait.share_elsewhere:.0%} of the others"
        '98% of fake are q95 4:4:4, 3% of the others'
    """

    label: str
    text: str
    share: float
    share_elsewhere: float


@dataclass(frozen=True)
class Evidence:
    """The figures of a `Confound`, which says what each is; words and pictures are made of them."""

    classes: dict[str, int]
    left_out: dict[str, list[str]]
    num_groups: int
    traces: Prediction
    size: Prediction
    traits: tuple[ClassTrait, ...]

    @property
    def num_files(self) -> int:
        """Files that were measured."""
        return sum(self.classes.values())

    @property
    def matter(self) -> dict[str, float]:
        """Traces that give classes away, and the area of each alone, the greatest first; none that chance explains."""
        found = self.traces
        if found.interval[0] <= 0.5:
            return {}
        told = {name: area for name, area in found.alone.items() if area >= _ALONE or found.importances[name] >= _LOST}
        return dict(sorted(told.items(), key=lambda item: -item[1]))
