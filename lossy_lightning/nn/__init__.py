"""Networks on codes: stems, low-bit layers, backbones."""

from lossy_lightning.nn.stems import Bits, Embed, LookupLinear, OneHot, Packed, Scale

__all__ = ["Bits", "Embed", "LookupLinear", "OneHot", "Packed", "Scale"]
