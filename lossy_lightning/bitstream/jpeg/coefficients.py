"""What a JPEG file holds once its entropy coding is undone."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class JPEGComponent(NamedTuple):
    """One component of a JPEG image.

    Attributes:
        coefficients: int16 ``(rows, columns, 8, 8)``, quantized, each block in natural order ``[v][u]`` (vertical
            frequency first). Whole MCUs: blocks that only pad the image are there too.
        quantization_table: uint16 ``(8, 8)``, natural order.
        sampling_factors: ``(h, v)``, horizontal and vertical, 1 to 4.
    """

    coefficients: NDArray[np.int16]
    quantization_table: NDArray[np.uint16]
    sampling_factors: tuple[int, int]


class JPEGCoefficients(NamedTuple):
    """A JPEG image as quantized DCT coefficients.

    Attributes:
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        color_space: ``"grey"``, ``"YCbCr"``, ``"RGB"``, ``"CMYK"``, ``"YCCK"``, or ``"unknown"`` (two components).
        components: The image's components, first as stored first.
        precision: Bits of a sample, 8 or 12.
        adobe: Whether the file has an Adobe marker; many readers then take CMYK and YCCK as inverted.

    Example:
        >>> grey = JPEGComponent(np.zeros((2, 3, 8, 8), np.int16), np.full((8, 8), 16, np.uint16), (1, 1))
        >>> JPEGCoefficients(20, 16, "grey", (grey,))
        JPEGCoefficients(width=20, height=16, color_space='grey', precision=8, blocks=[(2, 3)])
    """

    width: int
    height: int
    color_space: str
    components: tuple[JPEGComponent, ...]
    precision: int = 8
    adobe: bool = False

    def __repr__(self) -> str:
        blocks = [component.coefficients.shape[:2] for component in self.components]
        return (
            f"JPEGCoefficients(width={self.width}, height={self.height}, color_space={self.color_space!r}, "
            f"precision={self.precision}, {blocks=})"
        )
