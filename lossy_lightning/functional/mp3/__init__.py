"""MP3 (MPEG audio, Layer III) as arithmetic on tensors: dequantization, joint stereo, and the hybrid filter bank."""

from lossy_lightning.functional.mp3.dequantization import dequantize, line_gains, to_file_order, to_frequency_order
from lossy_lightning.functional.mp3.hybrid import (
    alias_introduction,
    alias_reduction,
    lines_to_subbands,
    subbands_to_lines,
)
from lossy_lightning.functional.mp3.polyphase import polyphase_analysis, polyphase_synthesis
from lossy_lightning.functional.mp3.stereo import joint_stereo
from lossy_lightning.functional.mp3.synthesis import lines_to_sound, sound_to_lines, synthesize

__all__ = [
    "alias_introduction",
    "alias_reduction",
    "dequantize",
    "joint_stereo",
    "line_gains",
    "lines_to_sound",
    "lines_to_subbands",
    "polyphase_analysis",
    "polyphase_synthesis",
    "sound_to_lines",
    "subbands_to_lines",
    "synthesize",
    "to_file_order",
    "to_frequency_order",
]
