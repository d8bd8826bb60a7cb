"""JPEG files to quantized coefficients and back, by entropy coding alone."""

from lossy_lightning.bitstream.jpeg.coefficients import JPEGCoefficients, JPEGComponent
from lossy_lightning.bitstream.jpeg.reader import read_coefficients, read_coefficients_batch
from lossy_lightning.bitstream.jpeg.writer import write_coefficients

__all__ = [
    "JPEGCoefficients",
    "JPEGComponent",
    "read_coefficients",
    "read_coefficients_batch",
    "write_coefficients",
]
