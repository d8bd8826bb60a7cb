"""Integers at any number of bits, side by side: how shards hold codes."""

from lossy_lightning.bitstream.packed.channels import Channels, bits_of
from lossy_lightning.bitstream.packed.packing import pack, unpack

__all__ = ["Channels", "bits_of", "pack", "unpack"]
