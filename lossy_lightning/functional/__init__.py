"""Pure functions on tensors and models: nothing here keeps state."""

from lossy_lightning.functional.bits import to_bits, to_gray
from lossy_lightning.functional.blocks import crop, from_blocks, pad_codes, to_blocks
from lossy_lightning.functional.vq import nearest_codewords

__all__ = ["crop", "from_blocks", "nearest_codewords", "pad_codes", "to_bits", "to_blocks", "to_gray"]
