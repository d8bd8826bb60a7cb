"""Small trained networks, each with its codec and a card."""

from lossy_lightning.weights.card import Card
from lossy_lightning.weights.shipped import list, load
from lossy_lightning.weights.trained import Trained

__all__ = ["Card", "Trained", "list", "load"]
