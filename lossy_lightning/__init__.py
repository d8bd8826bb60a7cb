"""PyTorch Lightning plug-ins for learning on lossy codes instead of decoded signals."""

__version__ = "0.2.0"
