"""The binary networks of examples and experiments, on codes like theirs, with statistics as if they were trained."""

import importlib
from functools import partial
from pathlib import Path

import torch
import yaml
from torch import nn

from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.core import CodeSpec
from lossy_lightning.tasks import ClassificationTask

ROOT = Path(__file__).parents[2]
CELLS = CodeSpec.uniform((1, 64, 64), 0, 15, ordinal=False)
LYRA = CodeSpec.uniform((46, 50), 0, 15, ordinal=False, absent=-1)
SPECS = {
    "codes, looked up, binary tail": CodeSpec.uniform((1, 4, 4), 0, 15, ordinal=False),
    "codes, raw bits, real first layer": CodeSpec.uniform((1, 4, 4), 0, 15, ordinal=False),
    "codes, raw bits, all binary": CodeSpec.uniform((1, 4, 4), 0, 15, ordinal=False),
    "mnist_vq_binary": CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False),
    "mnist_vq_bnn": CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False),
    "mnist_vq_lookup_bnn": CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False),
    "mnist_baseline": PCM().spec((1, 28, 28)),
    "mnist_joint_wide_codes": CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False),
    "speech_lyra_binary": LYRA,
    "speech_lyra_bits_binary": LYRA,
    "speech_vq_bits_binary": CELLS,
    "speech_vq_lookup_binary": CELLS,
    "speech_vq_binarynet": CELLS,
    "cifar10_planes_binary": JPEG(quality=75, chroma_subsampling="4:4:4").spec((3, 32, 32)),
}
"""Run to the codes of its network; networks of further runs are the same."""


def network(name):
    """The task of a run."""
    arguments = _merged(name)["model"]["init_args"]
    torch.manual_seed(0)
    spec = SPECS[name]
    classes = 8 if spec in (CELLS, LYRA) else 10
    task = ClassificationTask(
        spec,
        classes,
        _maker(arguments["stem"]),
        _maker(arguments["backbone"]),
        logit_scale=arguments.get("logit_scale", 1.0),
    )
    return _trained(task)


def codes(spec, number):
    """Any codes of a spec."""
    generator = torch.Generator().manual_seed(1)
    code = torch.empty((number, *spec.shape), dtype=spec.dtype)
    for channel, (low, high) in enumerate(zip(spec.low, spec.high, strict=True)):
        code[:, channel].random_(low, high + 1, generator=generator)
    return code


def _trained(task):
    generator = torch.Generator().manual_seed(0)
    for module in task.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.bias.data.normal_(std=0.3, generator=generator)
            module.running_mean.normal_(std=0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            if module.weight.requires_grad:
                module.weight.data.uniform_(-1, 1.5, generator=generator)
    for parameter in task.stem.parameters():
        if not parameter.any():
            parameter.data.normal_(std=0.1, generator=generator)
    return task.eval()


def _merged(name):
    """The configuration of a run; a class that is replaced drops the arguments of the one before."""
    for study in sorted((ROOT / "experiments").glob("*/study.yaml")):
        files = yaml.safe_load(study.read_text()).get(name)
        if files is not None:
            merged = {}
            for file in files:
                _merge(merged, yaml.safe_load((study.parent / file).read_text()))
            return merged
    raise KeyError(name)


def _merge(into, given):
    for key, value in given.items():
        old = into.setdefault(key, {})
        if isinstance(value, str) and key in ("stem", "backbone"):
            value = {"class_path": value}
        if not isinstance(value, dict):
            into[key] = value
            continue
        if key != "model" and value.get("class_path", old.get("class_path")) != old.get("class_path"):
            old.clear()
        _merge(old, value)


def _maker(described):
    module, _, name = described["class_path"].rpartition(".")
    return partial(getattr(importlib.import_module(module), name), **described.get("init_args", {}))
