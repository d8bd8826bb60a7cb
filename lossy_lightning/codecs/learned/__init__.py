"""Codecs whose analysis and synthesis are trained networks."""

from lossy_lightning.codecs.learned.factorized import Factorized
from lossy_lightning.codecs.learned.hyperprior import Hyperprior
from lossy_lightning.codecs.learned.nonlinear import Compressed, NonlinearTransform
from lossy_lightning.codecs.learned.vqvae import VQVAE

__all__ = ["VQVAE", "Compressed", "Factorized", "Hyperprior", "NonlinearTransform"]
