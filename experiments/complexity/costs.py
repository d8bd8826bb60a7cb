"""What networks of the study cost: parameters, features, a step of training, and the way from a file to a class."""

import os
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from benchmarks.harness import keep, machine, precision, seconds
from experiments.complexity.reading import Scaled
from experiments.complexity.trials import SHAPE, Recipe, fitted, network
from lossy_lightning.codecs import JPEG, Decoded
from lossy_lightning.core import Codec
from lossy_lightning.profiling import count_parameters, feature_memory

Reader = Callable[[Sequence[str]], Tensor]
BATCH_SIZE = 128
TOGETHER = 64  # files that are classified together
TURNS = 7
COUNT = 10  # calls that follow each other in a turn


def pixels(paths: Sequence[str]) -> Tensor:
    """Files decoded by torchvision's libjpeg."""
    return torch.stack([decode_jpeg(read_file(path), ImageReadMode.RGB) for path in paths])


def reduced(paths: Sequence[str], factor: int) -> Tensor:
    """Files decoded at part of their size by Pillow's libjpeg."""
    found = []
    for path in paths:
        with Image.open(path) as image:
            width, height = image.size
            image.draft("RGB", (width // factor, height // factor))
            found.append(torch.from_numpy(np.asarray(image).copy()).movedim(-1, 0))
    return torch.stack(found)


def levels(paths: Sequence[str], codec: JPEG) -> Tensor:
    """Levels of files, none decoded."""
    files = [Path(path).read_bytes() for path in paths]
    height, width = Image.open(BytesIO(files[0])).size
    channels, *grid = codec.spec((3, height, width)).shape
    code = torch.empty(len(files), *grid, channels, dtype=torch.int16).movedim(-1, 1)
    (wrong, *_) = [each for each in codec.read_into(files, list(code)) if each] or [None]
    if wrong:
        raise wrong
    return code


def reader(codec: Codec) -> Reader | None:
    """What makes a codec's codes of JPEG files; None if there are no files of its kind."""
    if isinstance(codec, JPEG):
        return partial(levels, codec=codec)
    if isinstance(codec, Scaled):
        return partial(reduced, factor=codec.factor)
    return pixels if isinstance(codec, Decoded) else None


def classify(model: nn.Module, read: Reader, paths: Sequence[str]) -> Tensor:
    """Classes of files."""
    with torch.inference_mode():
        found: Tensor = model(read(paths)).argmax(1)
    return found


def step(model: nn.Module, optimizer: torch.optim.Optimizer, code: Tensor, labels: Tensor) -> None:
    """Train on a batch of codes that is there already."""
    with torch.autocast("cpu", torch.bfloat16, enabled=precision().startswith("bf16")):
        loss = F.cross_entropy(model(code), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def by_turns(calls: Mapping[Any, Callable[[], object]]) -> dict[Any, float]:
    """Median milliseconds of each call; all take turns, and a turn's first call does not count."""
    found: dict[Any, list[float]] = {name: [] for name in calls}
    for _ in range(TURNS):
        for name, call in calls.items():
            found[name] += [seconds(call) for _ in range(COUNT + 1)][1:]
    return {name: 1000 * statistics.median(each) for name, each in found.items()}


def test_files(folder: Path) -> list[str]:
    """JPEG files of test images, all of one quality."""
    images = sorted((Path(os.environ["LOSSY_DATA"]) / "cifar10" / "test").glob("*/*.png"))
    paths = []
    for number, path in enumerate(images[:: max(1, len(images) // TOGETHER)][:TOGETHER]):
        paths.append(str(folder / f"{number}.jpg"))
        Image.open(path).convert("RGB").save(paths[-1], quality=75, subsampling="4:4:4")
    return paths


def of_networks(recipes: Mapping[tuple[float, str], Recipe]) -> dict[str, dict[str, float]]:
    """Costs of each network, by budget and arm."""
    found: dict[str, dict[str, float]] = {}
    steps: dict[str, Callable[[], object]] = {}
    alone: dict[str, Callable[[], object]] = {}
    together: dict[str, Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = test_files(Path(folder))
        for (budget, arm), recipe in recipes.items():
            name = f"{budget:g} {arm}"
            stem, backbone, codec = network(arm, recipe, fitted(arm, recipe, budget))
            code = codec.encode(torch.randint(256, (BATCH_SIZE, *SHAPE)).to(torch.uint8))
            model = nn.Sequential(stem, backbone).eval()
            found[name] = {"parameters": sum(count_parameters(model).values())}
            found[name]["features"] = feature_memory(model, code[:1])
            if read := reader(codec):
                alone[name] = partial(classify, model, read, paths[:1])
                together[name] = partial(classify, model, read, paths)
            stem, backbone, _ = network(arm, recipe, fitted(arm, recipe, budget))
            trained = nn.Sequential(stem, backbone).train()
            optimizer = torch.optim.SGD(trained.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
            steps[name] = partial(step, trained, optimizer, code, torch.randint(10, (BATCH_SIZE,)))
        for cost, calls, count in (("step", steps, 1), ("one", alone, 1), ("together", together, len(paths))):
            for name, value in by_turns(calls).items():
                found[name][cost] = value / count
    return found


def of_reading() -> dict[str, dict[str, float]]:
    """Milliseconds a file of reading alone, by size of images and way of reading; 64 files of one after the other."""
    found = {}
    large = sorted((Path(os.environ["LOSSY_DATA"]) / "imagenette224" / "val").glob("*/*.JPEG"))
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"32x32, 4:4:4": (test_files(Path(folder)), JPEG(75, "4:4:4"))}
        if large:
            spread = large[:: max(1, len(large) // TOGETHER)][:TOGETHER]
            sizes["224x224, 4:2:0"] = ([str(path) for path in spread], JPEG(75))
        for size, (paths, codec) in sizes.items():
            ways: dict[str, Reader] = {
                "pixels, torchvision": pixels,
                "pixels, Pillow": partial(reduced, factor=1),
                "1/2, Pillow": partial(reduced, factor=2),
                "1/4, Pillow": partial(reduced, factor=4),
                "levels": partial(levels, codec=codec),
            }
            times = by_turns({name: partial(read, paths) for name, read in ways.items()})
            found[size] = {name: value / len(paths) for name, value in times.items()}
    return found


def measure(recipes: Mapping[tuple[float, str], Recipe], done: Path) -> None:
    """Measure all anew, on one thread, and keep it beside the other figures."""
    torch.set_num_threads(1)
    told = {"networks": of_networks(recipes), "reading": of_reading(), "machine": machine()}
    keep(done, "costs", told)
