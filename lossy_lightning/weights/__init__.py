"""Small trained networks, each with its codec and a card; and small trained codecs."""

from lossy_lightning.weights.card import Card
from lossy_lightning.weights.shipped import list, load
from lossy_lightning.weights.trained import Trained
from lossy_lightning.weights.trained_codecs import CodecCard, TrainedCodec, list_codecs, load_codec

__all__ = ["Card", "CodecCard", "Trained", "TrainedCodec", "list", "list_codecs", "load", "load_codec"]
