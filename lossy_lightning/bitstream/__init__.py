"""Standard bit streams to quantized integers: entropy decoding only, with NumPy and Numba, without torch."""

from lossy_lightning.bitstream._files import read_file

__all__ = ["read_file"]
