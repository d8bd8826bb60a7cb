"""Layers that stems and backbones share: quantized ones, and what stands between them."""

from lossy_lightning.nn.layers._quantizers import sign
from lossy_lightning.nn.layers.between import batch_norm, nonlinearity
from lossy_lightning.nn.layers.gdn import GDN
from lossy_lightning.nn.layers.quantized import conv1d, conv2d, linear

__all__ = ["GDN", "batch_norm", "conv1d", "conv2d", "linear", "nonlinearity", "sign"]
