"""What a model for TensorFlow Lite costs."""

from collections import Counter
from math import prod
from typing import Any


def convolution_macs(model: Any) -> Counter[int]:
    """Multiply-accumulates of all convolutions in one run of a model, by the bit width of the wider factor.

    Args:
        model: An interpreter of ai-edge-litert.
    """
    tensors = {tensor["index"]: tensor for tensor in model.get_tensor_details()}
    total: Counter[int] = Counter()
    for operation in model._get_ops_details():  # nothing public tells the operations
        inputs = [tensors[index] for index in operation["inputs"] if index in tensors]
        match operation["op_name"]:
            case "CONV_2D":  # kernel (out, height, width, in of a group)
                features, kernel = inputs[:2]
                each = prod(kernel["shape"][1:])
            case "DEPTHWISE_CONV_2D":  # kernel (1, height, width, channels)
                features, kernel = inputs[:2]
                each = prod(kernel["shape"][1:3])
            case "TRANSPOSE_CONV":  # shape, kernel (out, height, width, in), features: each of these meets the kernel
                kernel, features = inputs[1:3]
                each = prod(kernel["shape"][:3])
            case _:
                continue
        places = features if operation["op_name"] == "TRANSPOSE_CONV" else tensors[operation["outputs"][0]]
        width = max(8 * tensor["dtype"]().itemsize for tensor in (features, kernel))
        total[width] += int(prod(places["shape"]) * each)
    return total
