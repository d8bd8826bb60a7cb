"""MP3 files to quantized MDCT coefficients and back, by entropy coding alone."""

from lossy_lightning.bitstream.mp3.frames import MP3Frames
from lossy_lightning.bitstream.mp3.reader import read_frames, read_frames_batch

__all__ = ["MP3Frames", "read_frames", "read_frames_batch"]
