"""JPEG's arithmetic between pixels and coefficients, compiled: on the CPU, to the bit what the tensors' gives."""

from lossy_lightning.codecs.standards._jpeg_pixels.images import codes_of, images_of

__all__ = ["codes_of", "images_of"]
