"""Networks on codes: stems, low-bit layers, backbones."""

from lossy_lightning.nn.convnet import ConvNet
from lossy_lightning.nn.mlp import MLP
from lossy_lightning.nn.stems import Bits, Embed, LookupLinear, OneHot, Packed, Scale

__all__ = ["MLP", "Bits", "ConvNet", "Embed", "LookupLinear", "OneHot", "Packed", "Scale"]
