"""Models for TensorFlow Lite: opening a file, what it costs, and the weights in it."""

from collections import Counter
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossy_lightning.core import MissingPackageError

#: Operations that `read_operations` tells of.
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_PLAIN = ("ADD", "AVERAGE_POOL_2D", "MEAN", "MUL")
#: Order of torch's axes of a weight (out, in of a group, rows, columns), in that of a file.
_AXES = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2)}


class Operation(NamedTuple):
    """An operation of a model, its numbers as real ones.

    Attributes:
        name: Of the operation, such as ``"CONV_2D"``.
        weight: ``(out, in of a group, rows, columns)``, or ``(out, in)`` of a fully connected layer; None if there is
            none.
        bias: ``(out,)``; None if there is none.
        steps: Steps between two values of its first two inputs, of which the second may be the weight; 0 if real.
        scale: Step between two values of the output; 0 if it is not quantized.
        zero_point: Integer that stands for an output of 0.
        units: ``(out,)``, step between two values of each output's weights; None if weights are real.
        dynamic: Whether real inputs are rounded to 8 bits by their own range, to meet weights of whole numbers.
    """

    name: str
    weight: Tensor | None
    bias: Tensor | None
    steps: tuple[float, ...]
    scale: float
    zero_point: int
    units: Tensor | None
    dynamic: bool


def open_model(content: bytes, reader: str) -> Any:
    """An interpreter of ai-edge-litert, of one thread.

    Args:
        content: Of a ``.tflite`` file.
        reader: What needs the model, for the message.

    Raises:
        ImportError: If ai-edge-litert is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingPackageError(
            f"{reader} needs ai-edge-litert, which is not installed: pip install 'lossy-lightning[tflite]'"
        ) from error
    return Interpreter(model_content=content, num_threads=1)


def read_operations(model: Any) -> list[Operation]:
    """Convolutions, fully connected layers, sums, means and products of a model, in their order.

    A product by a vector, such as a window's, has that as its weight.

    Args:
        model: An interpreter of ai-edge-litert.
    """
    model.allocate_tensors()
    tensors = {tensor["index"]: tensor for tensor in model.get_tensor_details()}
    found = []
    for operation in model._get_ops_details():  # nothing public tells the operations
        name = operation["op_name"]
        if name not in _WEIGHTED + _PLAIN:
            continue
        weight = bias = units = None
        steps = tuple(tensors[index]["quantization"][0] for index in operation["inputs"][:2])
        given = tensors[operation["inputs"][min(1, len(operation["inputs"]) - 1)]]
        if name in _WEIGHTED:
            weight, bias = _real(model, given), _real(model, tensors[operation["inputs"][2]])
            weight = weight.permute(_AXES[name]).contiguous() if name in _AXES else weight
            units = _units(given, len(bias))
        elif name == "MUL" and len(given["shape"]) == 1:
            weight = _real(model, given)
        dynamic = units is not None and given["dtype"] != tensors[operation["inputs"][0]]["dtype"]
        scale, zero_point = tensors[operation["outputs"][0]]["quantization"]
        found.append(Operation(name, weight, bias, steps, scale, zero_point, units, dynamic))
    return found


def _real(model: Any, tensor: dict[str, Any]) -> Tensor:
    """The real numbers that a constant stands for."""
    values = torch.from_numpy(model.get_tensor(tensor["index"])).double()
    given = tensor["quantization_parameters"]
    if not len(given["scales"]):
        return values.float()
    along = [1] * values.ndim
    along[given["quantized_dimension"]] = -1
    scales, zeros = (torch.from_numpy(given[key]).double().view(along) for key in ("scales", "zero_points"))
    return ((values - zeros) * scales).float()


def _units(tensor: dict[str, Any], outputs: int) -> Tensor | None:
    """The step of each output's weights."""
    scales = torch.from_numpy(tensor["quantization_parameters"]["scales"])
    return scales.float().expand(outputs).contiguous() if len(scales) else None


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
