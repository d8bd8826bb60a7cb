"""Packed networks on NumPy and Numba alone; nothing here imports torch."""

from lossy_lightning.deploy.runtime.network import PackedNetwork

__all__ = ["PackedNetwork"]
