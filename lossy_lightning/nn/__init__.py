"""Layers and networks of chosen bit widths."""

from lossy_lightning.nn.convnet import ConvNet
from lossy_lightning.nn.mlp import MLP

__all__ = ["MLP", "ConvNet"]
