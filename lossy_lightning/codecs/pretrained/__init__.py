"""Published neural codecs with their own weights."""

from lossy_lightning.codecs.pretrained.encodec import EnCodec
from lossy_lightning.codecs.pretrained.lyra import Lyra

__all__ = [
    "EnCodec",
    "Lyra",
]
