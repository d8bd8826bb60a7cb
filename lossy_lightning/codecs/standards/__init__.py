"""Codecs whose codes live in files of a standard."""

from lossy_lightning.codecs.standards.jpeg import JPEG

__all__ = [
    "JPEG",
]
