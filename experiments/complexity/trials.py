"""What was tried on held-out training images for each arm and budget: seven short runs, which find its recipe.

First five forms of network, then the best one with more blocks in its later stages, then the best of all at twice the
learning rate. Whatever its form, a network is as wide as its budget allows.
"""

from bisect import bisect_right
from collections.abc import Generator
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks.harness import config
from lossy_lightning.core import Codec
from lossy_lightning.profiling import count_macs

EPOCHS = 6
HELD_OUT = 0.2
BUDGETS = (0.3, 1.0, 3.0)
SHAPE = (3, 32, 32)


class Form(NamedTuple):
    """What a network reads first, and how it goes on.

    Attributes:
        run: Name in `study.yaml`.
        stem: Class and arguments.
        multiples: Widths of the stages, in units that the budget decides.
        strides: Of the stages.
        entry_stride: Of the first convolution.
        entry_kernel: Of the same.
        data: Changes of the run's data.
    """

    run: str
    stem: dict[str, Any]
    multiples: tuple[int, ...]
    strides: tuple[int, ...]
    entry_stride: int = 1
    entry_kernel: int = 3
    data: dict[str, Any] | None = None


class Recipe(NamedTuple):
    """What a trial tries.

    Attributes:
        form: Name of the form.
        deep: Whether stages but the first of three, or both of two, have two blocks in place of one.
        lr: Learning rate at its highest.
    """

    form: str
    deep: bool = False
    lr: float = 0.1


def _stem(name: str, **arguments: Any) -> dict[str, Any]:
    room = "experiments.complexity.reading" if name == "Unfolded" else "lossy_lightning.nn"
    return {"class_path": f"{room}.{name}", "init_args": arguments}


_FINE: Any = ((1, 2, 3), (1, 2, 2))
_COARSE: Any = ((1, 2), (1, 2))
_QUARTER = {
    "codec": {"class_path": "experiments.complexity.reading.Scaled", "init_args": {"quality": 75, "factor": 4}},
    "augmentation": {
        "class_path": "lossy_lightning.augmentation.Chain",
        "init_args": {
            "modules": [
                {"class_path": "lossy_lightning.augmentation.PixelFlip", "init_args": {}},
                {"class_path": "lossy_lightning.augmentation.PixelShift", "init_args": {"max_pixels": 1}},
            ]
        },
    },
}

FORMS: dict[str, dict[str, Form]] = {
    "pixels": {
        "32x32": Form("complexity_pixels", _stem("Scale"), (1, 2, 4), (1, 2, 2)),
        "32x32, entry of stride 2": Form("complexity_pixels", _stem("Scale"), *_FINE, entry_stride=2),
        "patches of 2": Form("complexity_pixels", _stem("SpaceToDepth", patch=2), *_FINE),
        "patches of 2, entry of stride 2": Form(
            "complexity_pixels", _stem("SpaceToDepth", patch=2), *_COARSE, entry_stride=2
        ),
        "patches of 4": Form("complexity_pixels", _stem("SpaceToDepth", patch=4), *_COARSE),
    },
    "pixels at reduced size": {
        "1/2": Form("complexity_reduced", _stem("Scale"), *_FINE),
        "1/2, widths 1 2 4": Form("complexity_reduced", _stem("Scale"), (1, 2, 4), (1, 2, 2)),
        "1/2, entry of stride 2": Form("complexity_reduced", _stem("Scale"), *_COARSE, entry_stride=2),
        "1/2, patches of 2": Form("complexity_reduced", _stem("SpaceToDepth", patch=2), *_COARSE),
        "1/4": Form("complexity_reduced", _stem("Scale"), *_COARSE, data=_QUARTER),
    },
    "codes": {
        "all frequencies, patches of 2": Form("complexity_codes", _stem("Unfolded", size=8, patch=2), *_FINE),
        "16 frequencies": Form("complexity_codes", _stem("Unfolded", size=4, patch=1), *_FINE),
        "16 frequencies, entry of stride 2": Form(
            "complexity_codes", _stem("Unfolded", size=4, patch=1), *_COARSE, entry_stride=2
        ),
        "4 frequencies": Form("complexity_codes", _stem("Unfolded", size=2, patch=1), *_COARSE),
        "subbands of wavelets": Form("complexity_wavelets", _stem("ChannelBatchNorm"), *_COARSE, entry_kernel=1),
    },
}
"""Forms by arm and name."""


def sequence(arm: str) -> Generator[Recipe, float, None]:
    """The seven trials of an arm; a generator, which is sent the accuracy of each.

    Example:
        >>> trials = sequence("pixels")
        >>> next(trials), trials.send(60.0)
        (Recipe(form='32x32', deep=False, lr=0.1), Recipe(form='32x32, entry of stride 2', deep=False, lr=0.1))
    """
    found: dict[Recipe, float] = {}
    for form in FORMS[arm]:
        found[Recipe(form)] = yield Recipe(form)
    deeper = best(found)._replace(deep=True)
    found[deeper] = yield deeper
    faster = best(found)._replace(lr=0.2)
    yield faster


def best(found: dict[Recipe, float]) -> Recipe:
    """The recipe of the highest accuracy, of equal ones the first."""
    return max(found, key=found.__getitem__)


def changes(arm: str, recipe: Recipe, unit: int) -> dict[str, Any]:
    """What a recipe changes in the configuration of its run, with widths in so many quarters of a channel."""
    form = FORMS[arm][recipe.form]
    stages = len(form.multiples)
    first = 1 if stages > 2 or not recipe.deep else 2
    backbone = {
        "depths": [first, *[1 + recipe.deep] * (stages - 1)],
        "widths": [max(1, (multiple * unit + 2) // 4) for multiple in form.multiples],
        "strides": [*form.strides],
        "entry_stride": form.entry_stride,
        "entry_kernel": form.entry_kernel,
    }
    model = {
        "stem": form.stem,
        "backbone": {"init_args": backbone},
        "optimizer": {"init_args": {"lr": recipe.lr}},
    }
    return {"model": {"init_args": model}, **({"data": {"init_args": form.data}} if form.data else {})}


@cache
def fitted(arm: str, recipe: Recipe, budget: float) -> int:
    """The greatest width, in quarters of a channel, of which a network keeps to a budget in millions of MACs."""
    return bisect_right(range(1, 400), 1e6 * budget, key=lambda unit: macs(arm, recipe, unit))


def macs(arm: str, recipe: Recipe, unit: int) -> int:
    """Multiply-accumulates of one image."""
    stem, backbone, codec = network(arm, recipe, unit)
    model = nn.Sequential(stem, backbone).eval()
    return sum(count_macs(model, codec.encode(torch.zeros(1, *SHAPE, dtype=torch.uint8))).values())


def network(arm: str, recipe: Recipe, unit: int) -> tuple[nn.Module, nn.Module, Codec]:
    """Stem, backbone, and the codec whose codes they read."""
    told = merged(config(FORMS[arm][recipe.form].run), changes(arm, recipe, unit))
    codec: Codec = made(told["data"]["init_args"]["codec"])
    spec = codec.spec(SHAPE)
    stem = made(told["model"]["init_args"]["stem"], spec)
    if "steps" in dict(stem.named_buffers()):
        stem.adapt([codec], spec, None)
    return stem, made(told["model"]["init_args"]["backbone"], stem.shape, 10), codec


def merged(told: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """A configuration with changes; what names a class is replaced as a whole."""
    found = dict(told)
    for name, value in more.items():
        inside = isinstance(value, dict) and "class_path" not in value and isinstance(told.get(name), dict)
        found[name] = merged(told[name], value) if inside else value
    return found


def made(told: Any, *given: Any) -> Any:
    """What a configuration names, classes within classes."""
    if isinstance(told, list):
        return [made(each) for each in told]
    if not isinstance(told, dict) or "class_path" not in told:
        return told
    room, _, name = told["class_path"].rpartition(".")
    arguments = {key: made(value) for key, value in (told.get("init_args") or {}).items()}
    return getattr(import_module(room), name)(*given, **arguments)
