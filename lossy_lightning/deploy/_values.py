"""What values are in a packed network: numbers, signs, or sums that are not stored yet."""

from typing import NamedTuple

from torch import Tensor

from lossy_lightning.deploy._layout import Layout


class Reals(NamedTuple):
    """Numbers in a register.

    Attributes:
        register: Where they are.
        layout: How they lie.
    """

    register: int
    layout: Layout


class Signs(NamedTuple):
    """Bits in a register: 1 stands for the greater of two values.

    Attributes:
        register: Where they are.
        layout: How they lie.
        values: The two values of each channel, ``(channels, 2)``.
    """

    register: int
    layout: Layout
    values: Tensor


class Geometry(NamedTuple):
    """Which positions an output position sees.

    Attributes:
        grid: Sizes of the input.
        kernel: Taps along each axis.
        stride: Positions from one output position to the next.
        padding: Positions of zeros before and behind.
        dilation: Positions from one tap to the next.
    """

    grid: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]


class BitProduct(NamedTuple):
    """A product of signs with signs.

    Attributes:
        register: Where the inputs are.
        geometry: What an output position sees.
        groups: Groups of channels.
        weights: Signs ``(outputs, taps, channels of a group)``, int8.
        scale: Of the sums of each output, ``(outputs,)``.
        bias: What is added to them then, ``(outputs,)``, or None.
    """

    register: int
    geometry: Geometry
    groups: int
    weights: Tensor
    scale: Tensor
    bias: Tensor | None

    @property
    def limit(self) -> int:
        """Greatest magnitude of a sum."""
        return self.weights[0].numel()


class Pool(NamedTuple):
    """A pooling.

    Attributes:
        input: Number of the value that is pooled.
        before: How its values lie by position.
        after: How those of the output lie.
        geometry: What an output position sees.
        divisor: What a sum is divided by; 0 for a maximum.
    """

    input: int
    before: Layout
    after: Layout
    geometry: Geometry
    divisor: float


class Sums(NamedTuple):
    """Whole numbers that are not stored: of a product of signs, and of a maximum over positions behind it.

    Attributes:
        product: What makes them.
        pool: The maximum, if any.
        layout: How they lie, behind it.
    """

    product: BitProduct
    pool: Pool | None
    layout: Layout


Source = Reals | Signs | Sums
