"""What is known of the tensors of a forward."""

import weakref
from typing import NamedTuple

from torch import Tensor

from lossy_lightning.profiling.widths import dtype_bit_width

_NONE: frozenset[int] = frozenset()


class Tag(NamedTuple):
    """What is known of a tensor.

    Attributes:
        bit_width: Bits that were declared for a value; None: its dtype's.
        constant: Whether it is a weight, or made of nothing but weights.
        blank: Whether it holds nothing but zeros, such as the first state of a recurrent layer.
        origins: Ids of the plain attributes that it was made of.
    """

    bit_width: int | None = None
    constant: bool = False
    blank: bool = False
    origins: frozenset[int] = _NONE


class Tags:
    """A tag for each tensor, as long as it lives."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[weakref.ref[Tensor], Tag]] = {}

    def get(self, tensor: Tensor) -> Tag | None:
        """The tag of a tensor, None if nothing is known of it."""
        found = self._held.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def set(self, tensor: Tensor, tag: Tag) -> None:
        """Note what is known of a tensor."""
        self._held[id(tensor)] = (weakref.ref(tensor), tag)

    def declare(self, tensor: Tensor, bit_width: int) -> None:
        """Note the declared width of a tensor's values."""
        self.set(tensor, (self.get(tensor) or Tag())._replace(bit_width=bit_width))

    def bit_width(self, tensor: Tensor) -> int:
        """Bits of a value: those declared, or of its dtype; a complex number is two."""
        tag = self.get(tensor)
        if tag is not None and tag.bit_width is not None:
            return tag.bit_width
        return dtype_bit_width(tensor) // (2 if tensor.is_complex() else 1)

    def is_constant(self, tensor: Tensor) -> bool:
        """Whether a tensor is a weight, or made of nothing but weights."""
        tag = self.get(tensor)
        return tag is not None and tag.constant

    def is_blank(self, tensor: Tensor) -> bool:
        """Whether a tensor holds nothing but zeros."""
        tag = self.get(tensor)
        return tag is not None and tag.blank


def carried(tags: list[Tag | None], floats: list[bool], *, moves: bool) -> Tag:
    """The tag of what an operation makes of tensors with these tags.

    Args:
        tags: Of what goes in.
        floats: Which of these are floats; only they have a declared width.
        moves: Whether the operation only moves values about, so that widths and zeros stay.
    """
    constant, blank, widths = True, moves and bool(tags), set[int | None]()
    for tag, is_float in zip(tags, floats, strict=True):
        constant = constant and tag is not None and tag.constant
        blank = blank and tag is not None and tag.blank
        if is_float:
            widths.add(None if tag is None else tag.bit_width)
    origins = frozenset[int]().union(*(tag.origins for tag in tags if tag is not None)) if constant else _NONE
    known = moves and widths and None not in widths
    return Tag(max(filter(None, widths)) if known else None, constant, blank, origins)
