"""Files of trained networks with their codecs: safetensors and JSON, without pickle."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lossy_lightning.core import Codec, CodeSpec, InputError
from lossy_lightning.core.described import describe, make, make_codec, maker
from lossy_lightning.profiling import declared_bit_width
from lossy_lightning.tasks import ClassificationTask
from lossy_lightning.weights._files import read_weights, write_weights
from lossy_lightning.weights.card import Card

KIND = "trained network"


class Trained(NamedTuple):
    """A trained network, ready for use.

    Attributes:
        task: In evaluation mode; it knows what data it was trained on, and holds it against those it meets.
        codec: That makes its codes.
        classes: Their names, in the order of the logits.
        card: What is known of it.
    """

    task: ClassificationTask
    codec: Codec
    classes: tuple[str, ...]
    card: Card


class Told(NamedTuple):
    """What a file says beside tensors.

    Attributes:
        spec: Of the codes.
        stem: Class path and arguments, as `describe` gives them.
        backbone: The same.
        logit_scale: Factor of the backbone's outputs.
        codec: As `describe_codec` gives it.
        origin: What a checkpoint says of the data that the network was trained on.
    """

    spec: CodeSpec
    stem: dict[str, Any]
    backbone: dict[str, Any]
    logit_scale: float
    codec: dict[str, Any]
    origin: dict[str, Any]


def write_trained(path: Path, told: Told, task: nn.Module, codec_tensors: dict[str, NDArray[Any]]) -> None:
    """Write a file: 1-bit weights as bits, other weights of layers in half precision, all else as it is.

    Args:
        path: Of the file.
        told: What it says.
        task: Whose weights it holds.
        codec_tensors: Of the codec, as `describe_codec` gives them.
    """
    signs = {f"{name}.weight" for name, module in task.named_modules() if _is_signs(module)}
    tensors = {f"task.{name}": _narrowed(value, name in signs) for name, value in task.state_dict().items()}
    tensors |= {f"codec.{name}": value for name, value in codec_tensors.items()}
    plain = told._asdict() | {"spec": describe(told.spec), "origin": describe(told.origin)}
    write_weights(path, plain, tensors, KIND)


def read_trained(path: Path, card: Card, model_dir: str | Path | None = None) -> Trained:
    """The network in a file.

    Args:
        path: Of the file.
        card: Of the network.
        model_dir: Where the codec's models lie, if it has such.

    Raises:
        ValueError: If it is no such file, one of a newer version of this package, or names classes that are not of
            this package; if the codec has no models.
        FileNotFoundError: If its codec needs files that are not there, as Lyra does.
    """
    told, tensors = read_weights(path, KIND)
    origin, stem, backbone = make(told["origin"]), maker(told["stem"]), maker(told["backbone"])
    origin["classes"] = [*origin["classes"]]  # which `make` makes a tuple
    task = ClassificationTask(
        make(told["spec"]), len(origin["classes"]), stem, backbone, logit_scale=told["logit_scale"]
    )
    kept = task.state_dict()
    missing = [name for name in kept if f"task.{name}" not in tensors]
    if missing:
        raise InputError(f"{path} lacks weights of its network, {missing[0]} among them: it cannot be used")
    task.load_state_dict({name: _widened(tensors[f"task.{name}"], like) for name, like in kept.items()})
    task.on_load_checkpoint({"data": origin})
    fitted = {name.removeprefix("codec."): value for name, value in tensors.items() if name.startswith("codec.")}
    codec = make_codec(_with_models(told["codec"], model_dir), fitted)
    return Trained(task.eval(), codec, tuple(origin["classes"]), card)


def _with_models(told: dict[str, Any], model_dir: str | Path | None) -> dict[str, Any]:
    if model_dir is None:
        return told
    if "model_dir" not in told["arguments"]:
        raise InputError(f"the codec {told['class'].rpartition('.')[2]} has no models; leave model_dir out")
    return told | {"arguments": told["arguments"] | {"model_dir": str(model_dir)}}


def _is_signs(module: nn.Module) -> bool:
    """Whether a layer computes with the signs of its weights, and with nothing else of them."""
    quantizer = getattr(module, "weight_quant", None)
    weight = getattr(module, "weight", None)
    if quantizer is None or not isinstance(weight, Tensor) or declared_bit_width(quantizer) != 1:
        return False
    used = getattr(quantizer(weight), "value", None)
    return used is not None and bool((used == torch.where(weight >= 0, 1.0, -1.0)).all())


def _narrowed(value: Tensor, signs: bool) -> NDArray[Any]:
    if signs:
        return (value >= 0).numpy()
    if value.ndim > 1 and value.dtype == torch.float32:
        value = value.half()
    return value.contiguous().numpy()


def _widened(value: NDArray[Any], like: Tensor) -> Tensor:
    if value.dtype == np.bool_ and like.is_floating_point():
        return torch.from_numpy(value * 2.0 - 1.0).to(like.dtype)
    return torch.from_numpy(np.array(value)).to(like.dtype)
