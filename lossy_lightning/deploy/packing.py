"""From a trained network to a packed one."""

from collections.abc import Sequence

import torch
from torch import nn

from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.deploy._held import check_classes, fields_as_json
from lossy_lightning.deploy._lowering import lower
from lossy_lightning.deploy._recording import record
from lossy_lightning.deploy.runtime.network import PackedNetwork, Program, num_logits


def pack(model: nn.Module, spec: CodeSpec, classes: Sequence[str] | None = None) -> PackedNetwork:
    """Pack a trained network: weights of few bits as they are, signs as bits, everything for compiled code.

    One forward is recorded, so that any module is read, whoever wrote it. Thresholds between layers of bits come from
    evaluating the network's own arithmetic, batch norms included, at the sums that can occur.

    Args:
        model: From integer codes ``(N, C, *grid)`` to logits ``(N, classes)``: a task, or any module.
        spec: Of its codes, of one size.
        classes: Names of the classes.

    Returns:
        A network whose `PackedNetwork.predict` gives the same logits.

    Raises:
        ValueError: If a layer cannot be packed; the message names it. If codes vary in size, or class names are not one
            for each logit.

    Example:
        >>> from lossy_lightning.nn import MLP, Bits
        >>> spec = CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False)
        >>> network = pack(nn.Sequential(Bits(spec), MLP((4, 7, 7), 10)), spec)
        >>> network.predict(torch.zeros(2, 1, 7, 7, dtype=torch.uint8)).shape
        (2, 10)
    """
    if not isinstance(spec, CodeSpec):
        raise InputError(f"pack needs the CodeSpec of the network's codes; got {spec!r}: give datamodule.spec")
    if None in spec.shape:
        raise InputError(
            f"a packed network is for codes of one size; got shape {spec.shape}: give CodeSpec(spec.fields, grid), or "
            "train on crops"
        )
    sizes = [size for size in spec.shape if size is not None]
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    if device.type != "cpu":
        raise InputError(f"a network is packed on the CPU; its weights are on {device}: call .cpu() first")
    with torch.inference_mode(False), torch.no_grad():
        low = torch.tensor(spec.low).view(1, -1, *[1] * len(spec.grid))
        code = low.expand(1, *sizes).to(spec.dtype).contiguous()
        nodes, output = record(model, code)
        program = lower(nodes, output, code, spec)
    packed = Program(tuple(sizes), program.registers, program.steps, fields_as_json(spec))
    names = check_classes(classes, num_logits(packed))
    return PackedNetwork(packed, program.tensors, names)
