"""Encoders and decoders of learned codecs, over one dimension (sound) or two (images)."""

from lossy_lightning.nn.autoencoders.blocks import BlockDecoder, BlockEncoder
from lossy_lightning.nn.autoencoders.convolutional import ConvDecoder, ConvEncoder
from lossy_lightning.nn.autoencoders.dense import DenseDecoder
from lossy_lightning.nn.autoencoders.normalized import GDNDecoder, GDNEncoder
from lossy_lightning.nn.autoencoders.wavelet import WaveletDecoder, WaveletEncoder

__all__ = [
    "BlockDecoder",
    "BlockEncoder",
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
    "GDNDecoder",
    "GDNEncoder",
    "WaveletDecoder",
    "WaveletEncoder",
]
