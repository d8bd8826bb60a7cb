"""Codecs: signal to integer code and back."""

from lossy_lightning.codecs.decoded import Decoded
from lossy_lightning.codecs.jpeg import JPEG
from lossy_lightning.codecs.pcm import PCM
from lossy_lightning.codecs.vq import VQ
from lossy_lightning.codecs.vqvae import VQVAE

__all__ = ["JPEG", "PCM", "VQ", "VQVAE", "Decoded"]
