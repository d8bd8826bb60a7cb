"""MP3 files to quantized MDCT coefficients and back, by entropy coding alone."""

from lossy_lightning.bitstream.mp3._layout import FRAME, GRANULE
from lossy_lightning.bitstream.mp3.frames import MP3Frames
from lossy_lightning.bitstream.mp3.headers import MP3Header, read_headers
from lossy_lightning.bitstream.mp3.info import info_frame
from lossy_lightning.bitstream.mp3.reader import read_frames, read_frames_batch
from lossy_lightning.bitstream.mp3.windows import read_windows
from lossy_lightning.bitstream.mp3.writer import write_frames

__all__ = [
    "FRAME",
    "GRANULE",
    "MP3Frames",
    "MP3Header",
    "info_frame",
    "read_frames",
    "read_frames_batch",
    "read_headers",
    "read_windows",
    "write_frames",
]
