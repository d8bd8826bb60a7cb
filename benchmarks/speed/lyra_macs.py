"""Multiply-accumulates of Lyra's encoder and decoder for a second of sound, counted in its published models.

    LOSSY_DATA=... python -m benchmarks.speed.lyra_macs

A frame is 20 ms. The quantizer compares a frame's 64 features with 16 words in each of its 46 stages, at 9.2 kbit/s.
"""

import os
from math import prod
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

FRAMES = 50
QUANTIZER = 46 * 16 * 64


def convolution_macs(path: Path) -> int:
    """MACs of all convolutions of a model, for one run of it."""
    model = Interpreter(str(path))
    shapes = {tensor["index"]: [int(size) for size in tensor["shape"]] for tensor in model.get_tensor_details()}
    total = 0
    for operation in model._get_ops_details():  # nothing public tells the operations
        inputs = [shapes[index] for index in operation["inputs"] if index in shapes]
        output = shapes[operation["outputs"][0]] if len(operation["outputs"]) else []
        match operation["op_name"]:
            case "CONV_2D":  # kernel (out, height, width, in of a group)
                total += prod(output) * prod(inputs[1][1:])
            case "DEPTHWISE_CONV_2D":  # kernel (1, height, width, channels)
                total += prod(output) * prod(inputs[1][1:3])
            case "TRANSPOSE_CONV":  # shape, kernel (out, height, width, in), features
                total += prod(inputs[2]) * prod(inputs[1][:3])
    return total


def main() -> None:
    folder = Path(os.environ["LOSSY_DATA"], "lyra_v2")
    encoder, decoder = (convolution_macs(folder / f"{name}.tflite") for name in ("soundstream_encoder", "lyragan"))
    print(f"encoder: {FRAMES * (encoder + QUANTIZER):,} MACs a second, {FRAMES * QUANTIZER:,} of them its quantizer's")
    print(f"decoder: {FRAMES * decoder:,} MACs a second")


if __name__ == "__main__":
    main()
