"""JPEG files to quantized coefficients and back, by entropy coding alone."""

from lossy_lightning.bitstream.jpeg._tables import STANDARD_HUFFMAN
from lossy_lightning.bitstream.jpeg.coefficients import JPEGCoefficients, JPEGComponent
from lossy_lightning.bitstream.jpeg.headers import JPEGHeader, read_headers
from lossy_lightning.bitstream.jpeg.reader import read_coefficients, read_coefficients_batch
from lossy_lightning.bitstream.jpeg.windows import NO_WINDOW, BlockWindow, place_of, read_places, read_windows
from lossy_lightning.bitstream.jpeg.writer import write_coefficients

__all__ = [
    "NO_WINDOW",
    "STANDARD_HUFFMAN",
    "BlockWindow",
    "JPEGCoefficients",
    "JPEGComponent",
    "JPEGHeader",
    "place_of",
    "read_coefficients",
    "read_coefficients_batch",
    "read_headers",
    "read_places",
    "read_windows",
    "write_coefficients",
]
