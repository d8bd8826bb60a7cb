"""Encoders and decoders of learned codecs."""

from lossy_lightning.nn.autoencoders.autoencoder import (
    BlockDecoder,
    BlockEncoder,
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
)

__all__ = [
    "BlockDecoder",
    "BlockEncoder",
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
]
