"""Operations of torch, or of files, in other operations of ONNX."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What the exporter is told, by operation of torch."""
    from onnxscript import opset18

    onnx: Any = opset18  # its types know no operator without a kind

    def shifted(number: Any, by: Any) -> Any:
        """Shifted to the right, rounded down as torch does, by division: a shift of ONNX is of unsigned numbers."""
        power = onnx.Pow(onnx.CastLike(onnx.Constant(value_int=2), number), by)
        return onnx.Div(onnx.Sub(number, onnx.Mod(number, power)), power)

    aten = torch.ops.aten
    return {aten.__rshift__.Tensor: shifted, aten.__rshift__.Scalar: shifted, aten.bitwise_right_shift.Tensor: shifted}


def tile_repeated(model: Any) -> None:
    """In the graph of a file, put a `Tile` in the place of each `Concat` of one tensor with itself.

    Tools rename what a node reads only once.
    """
    from onnx.helper import make_node
    from onnx.numpy_helper import from_array

    shapes = {info.name: info.type.tensor_type.shape for info in model.graph.value_info}
    for node in model.graph.node:
        if node.op_type == "Concat" and len(set(node.input)) == 1 < len(node.input):
            repeats = np.ones(len(shapes[node.output[0]].dim), np.int64)
            repeats[node.attribute[0].i] = len(node.input)
            name = f"{node.output[0]}_repeats"
            model.graph.initializer.append(from_array(repeats, name))
            node.CopyFrom(make_node("Tile", [node.input[0], name], list(node.output), name=node.name))
