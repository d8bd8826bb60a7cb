"""Codecs whose analysis and synthesis are trained networks."""

from lossy_lightning.codecs.learned.vqvae import VQVAE

__all__ = [
    "VQVAE",
]
