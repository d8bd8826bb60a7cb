"""Weights of published networks, out of files for TensorFlow Lite."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lossy_lightning.core import InputError, MissingFileError
from lossy_lightning.nn.backbones._litert_dynamic import DynamicPart
from lossy_lightning.nn.backbones._litert_rounding import MEANS, round_as_litert
from lossy_lightning.nn.backbones.mobilenet import MobileNet
from lossy_lightning.nn.backbones.yamnet import YAMNet
from lossy_lightning.tflite import Operation, open_model, read_operations

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


class _Step(NamedTuple):
    """A convolution of a network with its batch norm, or a residual sum.

    Attributes:
        place: What gives the output that the file tells a step of.
        convolution: None of a sum.
        norm: None of a sum.
    """

    place: nn.Module
    convolution: nn.Conv2d | None = None
    norm: nn.BatchNorm2d | None = None


def load_tflite_weights(network: nn.Module, path: str | Path, quantized: bool = False) -> list[str]:
    """Load the weights of a ``.tflite`` file of the same network, dequantized.

    Batch norms are folded into the file's convolutions, so that here they only add a bias. What reads the input may
    differ in channels, early parts may be left out, and the classifier may be missing in the file or have another
    number of classes; those stay as they are.

    Args:
        network: A `MobileNet` of version 1 or 2, a `YAMNet`, or a network that has one in it, such as a task.
        path: Of the file, such as ``mobilenet_v1_0.25_128_quant.tflite`` or ``yamnet.tflite``.
        quantized: Whether activations are rounded as by LiteRT, too: to the steps of the file, or if it has none, as
            YAMNet's, to 8 bits by their own range, with the file's window and mel bands.

    Returns:
        Names of the network's own parameters that were not loaded.

    Raises:
        ValueError: If the file holds another network, or none.
        FileNotFoundError: If there is no such file.
        ImportError: If ai-edge-litert is not installed.

    Source: Jacob et al., Quantization and training of neural networks, CVPR 2018 (the integers of the files).
    """
    inside = next((module for module in network.modules() if isinstance(module, (MobileNet, YAMNet))), None)
    if inside is None:
        raise InputError(
            f"load_tflite_weights fills a MobileNet of version 1 or 2, or a YAMNet; got {type(network).__name__}"
        )
    operations = _read(Path(path))
    end = next((i for i, each in enumerate(operations) if each.name in MEANS), len(operations))
    body = [each for each in operations[:end] if each.name in (*_CONVOLUTIONS, "ADD")]
    classifier = next((each for each in operations[end:] if each.weight is not None), None)
    pairs = _aligned(inside, body, path)
    filled = [module for step, operation in pairs for module in _fill(step, operation)]
    if classifier is not None:
        filled += _fill_classifier(inside.classifier[-1], classifier)
    if quantized:
        last = classifier if inside.classifier[-1] in filled else None
        round_as_litert(inside, [(step.place, step.convolution, each) for step, each in pairs], operations, last, path)
    loaded = {id(parameter) for module in filled for parameter in module.parameters()}
    return [name for name, parameter in network.named_parameters() if id(parameter) not in loaded]


def _read(path: Path) -> list[Operation]:
    """The operations of a file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no model.
    """
    if not path.is_file():
        raise MissingFileError(f"there is no {path}; download the .tflite file of the network, and pass its path")
    try:
        return read_operations(open_model(path.read_bytes(), "load_tflite_weights"))
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path} is no model for TensorFlow Lite: {error}") from error


def _steps(module: nn.Module) -> Iterator[_Step]:
    """Convolutions and residual sums of a network's parts, in their order."""
    from torchvision.models.mobilenetv2 import InvertedResidual
    from torchvision.ops.misc import Conv2dNormActivation

    if isinstance(module, (Conv2dNormActivation, DynamicPart)):
        yield _Step(module, *list(module)[:2])
    elif isinstance(module, InvertedResidual):
        *blocks, convolution, norm = module.conv
        for block in blocks:
            yield from _steps(block)
        yield _Step(norm, convolution, norm)
        if module.use_res_connect:
            yield _Step(module)
    else:
        for child in module.children():
            yield from _steps(child)


def _aligned(network: MobileNet | YAMNet, body: list[Operation], path: str | Path) -> list[tuple[_Step, Operation]]:
    """Each step of a network with the file's, the last with the last.

    Raises:
        ValueError: If they are not of the same kinds and shapes.
    """
    steps = list(_steps(network.features))
    whole = "0" in dict(network.features.named_children())
    if len(steps) > len(body) or (whole and len(steps) < len(body)):
        raise _other(path, f"{len(body)} convolutions and sums", str(len(steps)))
    pairs = list(zip(steps, body[len(body) - len(steps) :], strict=True))
    for number, (step, operation) in enumerate(pairs):
        had, own = (None if weight is None else tuple(weight.shape) for weight in (operation.weight, _weight(step)))
        # The first convolution may read codes instead of colours.
        free = whole and number == 0 and had and own and (had[0], *had[2:]) == (own[0], *own[2:])
        if had != own and not free:
            raise _other(path, f"{had or 'a sum'} in place {number}", str(own or "a sum"))
    return pairs


def _weight(step: _Step) -> Tensor | None:
    return None if step.convolution is None else step.convolution.weight


def _other(path: str | Path, had: str, own: str) -> InputError:
    return InputError(
        f"{path} holds another network: it has {had}, and the network to fill {own}; build "
        "the one of the file, such as a MobileNet of its version and width_mult"
    )


@torch.no_grad()
def _fill(step: _Step, operation: Operation) -> list[nn.Module]:
    """Fill a convolution and its batch norm, which then adds the bias alone; returns what was filled."""
    if step.convolution is None or step.norm is None or operation.weight is None or operation.bias is None:
        return []
    if step.convolution.weight.shape != operation.weight.shape:
        return []
    step.convolution.weight.copy_(operation.weight)
    step.norm.bias.copy_(operation.bias)
    step.norm.weight.fill_(1)
    for values, value in ((step.norm.running_mean, 0.0), (step.norm.running_var, 1 - step.norm.eps)):
        assert values is not None
        values.fill_(value)
    return [step.convolution, step.norm]


@torch.no_grad()
def _fill_classifier(layer: nn.Module, operation: Operation) -> list[nn.Module]:
    """Fill the last layer if it has as many classes; returns what was filled."""
    if not isinstance(layer, nn.Linear) or operation.weight is None or operation.bias is None:
        return []
    weight = operation.weight.flatten(1)
    if weight.shape != layer.weight.shape:
        return []
    layer.weight.copy_(weight)
    layer.bias.copy_(operation.bias)
    return [layer]
