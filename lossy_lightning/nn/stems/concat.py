"""Stems side by side."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, InputError, Stem
from lossy_lightning.core.arguments import check_maker


class Concat(Stem):
    """Features of several stems, joined on channels, so that different fields are read differently.

    Args:
        spec: Of the code.
        stems: Each makes a stem of the spec, such as ``partial(Scale, fields=["mean"])``. Their features come one stem
            after the other, and are on one grid.

    Raises:
        ValueError: If there is no stem, one is made already or is none, or their features are on different grids.

    Example:
        >>> from functools import partial
        >>> from lossy_lightning.core import Field
        >>> from lossy_lightning.nn import Embed, Scale
        >>> spec = CodeSpec([Field("mean", (0,), (255,), True), Field("shape", (0,), (15,), False)], (7, 7))
        >>> Concat(spec, [partial(Scale, fields=["mean"]), partial(Embed, fields=["shape"], dim=4)]).shape
        (5, 7, 7)
    """

    def __init__(self, spec: CodeSpec, stems: Sequence[Callable[[CodeSpec], Stem]]) -> None:
        super().__init__(spec)
        if not isinstance(stems, Sequence) or isinstance(stems, str):
            raise InputError(f"stems is a list of what makes them, such as [Scale, Bits]; got {stems!r}")
        self.stems = nn.ModuleList(_made(f"stems[{i}]", stem, spec) for i, stem in enumerate(stems))
        shapes = [stem.shape for stem in self.stems]
        whole = [shape for shape in shapes if isinstance(shape, tuple)]
        if not whole or len(whole) < len(shapes) or len({shape[1:] for shape in whole}) > 1:
            raise InputError(
                "Concat joins the features of one or more stems on one grid; got the shapes "
                f"{', '.join(map(str, shapes)) or 'of none'}: choose fields of one resolution"
            )
        self.shape = (sum(shape[0] or 0 for shape in whole), *whole[0][1:])

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded.

        Raises:
            ValueError: If features turn out to be on different grids.
        """
        if grid_size is None:
            return _join([stem(code) for stem in self.stems])
        parts = [stem(code, grid_size) for stem in self.stems]
        return _join([features for features, _ in parts]), parts[0][1]

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Adapt each stem."""
        for stem in self.stems:
            stem.adapt(codecs, spec, statistics)  # type: ignore[operator]  # a module list forgets that they are stems


def _made(name: str, maker: Callable[[CodeSpec], Stem], spec: CodeSpec) -> Stem:
    check_maker(name, maker, spec)
    stem = maker(spec)
    if not isinstance(stem, Stem):
        raise InputError(f"{name} makes a Stem; got {stem!r}")
    return stem


def _join(parts: list[Tensor]) -> Tensor:
    if any(part.shape[2:] != parts[0].shape[2:] for part in parts):
        raise InputError(
            "Concat joins features on one grid; got the shapes "
            f"{', '.join(str(tuple(part.shape[1:])) for part in parts)}: choose fields of one resolution"
        )
    return torch.cat(parts, 1)
