"""Codecs whose codes live in files of a standard."""

from lossy_lightning.codecs.standards.jpeg import JPEG
from lossy_lightning.codecs.standards.mp3 import MP3

__all__ = [
    "JPEG",
    "MP3",
]
