"""MP3 files to quantized MDCT coefficients and back, by entropy coding alone."""

from lossy_lightning.bitstream.mp3.frames import MP3Frames

__all__ = ["MP3Frames"]
