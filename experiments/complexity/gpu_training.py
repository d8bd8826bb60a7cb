"""Many small networks trained at once on one GPU: each step a CUDA graph on a stream of its own.

Examples stay on the device. An epoch's features are made in one go, augmented; a step only reads, computes and updates.
Without a GPU the same steps run one after the other in float32.
"""

import copy
import itertools
import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH_SIZE = 256
WARMUP = 5  # epochs in which the learning rate rises
CLASSES = 10


class Recipe(NamedTuple):
    """How a network is trained.

    Attributes:
        augmentation: Name of what an arm does to its examples.
        cutout: Side of the square of features that is set to 0, in places of the grid; 0: none.
        mixup: Parameter of the Beta distribution that mixes pairs of images; 0: none.
        network: Name of depths and widths.
        lr: Learning rate at its highest; it falls to 0 along a cosine.
        weight_decay: Of all parameters.
        label_smoothing: Share of a target that all classes have alike.
    """

    augmentation: str
    cutout: int = 0
    mixup: float = 0.0
    network: str = "wide"
    lr: float = 0.2
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1


class Examples(NamedTuple):
    """Features of an epoch ``(n, C, rows, columns)``, and their classes ``(n,)``."""

    features: Tensor
    labels: Tensor


class Run:
    """A network in training.

    Args:
        network: Reads features, gives logits.
        recipe: How it is trained.
        epoch: Makes the features of an epoch, augmented.
        epochs: How many there are.
        batch_size: Examples of a step.
    """

    def __init__(
        self, network: nn.Module, recipe: Recipe, epoch: Callable[[], Examples], epochs: int, batch_size: int
    ) -> None:
        self.network, self.recipe, self.make, self.epochs, self.batch_size = network, recipe, epoch, epochs, batch_size
        self.device = next(network.parameters()).device
        self.stream = torch.cuda.Stream() if self.device.type == "cuda" else None
        self.lr = torch.tensor(0.0, device=self.device)
        self.optimizer = torch.optim.SGD(
            network.parameters(), self.lr, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay, fused=True
        )
        self.graph: torch.cuda.CUDAGraph | None = None
        self.examples, self.targets = torch.empty(0), torch.empty(0)
        self.batch = epoch().features[:batch_size].clone(memory_format=torch.channels_last)
        self.target = torch.full((batch_size, CLASSES), 1 / CLASSES, device=self.device)
        if self.stream is not None:
            self._capture()

    def inside(self) -> AbstractContextManager[object]:
        """The stream of this run."""
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def start(self, epoch: int) -> None:
        """Draw the examples of an epoch, and set its learning rate."""
        rise = min(1.0, (epoch + 1) / WARMUP)
        self.lr.fill_(self.recipe.lr * rise * (1 + math.cos(math.pi * epoch / self.epochs)) / 2)
        features, labels = self.make()
        order = torch.randperm(len(labels), device=self.device)
        smoothing = self.recipe.label_smoothing
        targets = F.one_hot(labels[order], CLASSES) * (1 - smoothing) + smoothing / CLASSES
        features = features[order]
        if self.recipe.cutout:
            features = cut_out(features, self.recipe.cutout)
        if self.recipe.mixup:
            features, targets = mix(features, targets, self.recipe.mixup)
        self.examples, self.targets = features, targets

    def step(self, number: int) -> None:
        """Train on a batch of the epoch."""
        part = slice(number * self.batch_size, (number + 1) * self.batch_size)
        self.batch.copy_(self.examples[part])
        self.target.copy_(self.targets[part])
        if self.graph is None:
            self._step()
        else:
            self.graph.replay()

    def _step(self) -> None:
        cuda = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=cuda, cache_enabled=False):
            logits = self.network(self.batch)
        loss = F.cross_entropy(logits.float(), self.target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def _capture(self) -> None:
        """Record a step; the network is left as it was."""
        initial = copy.deepcopy(self.network.state_dict())
        torch.cuda.synchronize()
        with self.inside():
            for _ in range(3):
                self._step()
            self.optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=self.stream):
            self._step()
        torch.cuda.synchronize()
        self.network.load_state_dict(initial)
        for state in self.optimizer.state.values():
            state["momentum_buffer"].zero_()
        torch.cuda.synchronize()


def cut_out(features: Tensor, side: int) -> Tensor:
    """Features with a square of zeros, mid-grey, at a place of its own in each example."""
    ranges = []
    for size in features.shape[2:]:
        first = torch.randint(1 - side, size, (len(features), 1), device=features.device)
        place = torch.arange(size, device=features.device)
        ranges.append((place >= first) & (place < first + side))
    inside = ranges[0].unsqueeze(2) & ranges[1].unsqueeze(1)
    return features.masked_fill(inside.unsqueeze(1), 0)


def mix(features: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Each example and the one after it, in shares of its own: mixup (Zhang et al., ICLR 2018)."""
    gamma = torch.full((2, len(features)), alpha, device=features.device)
    draws = torch._standard_gamma(gamma)
    share = (draws[0] / draws.sum(0)).nan_to_num(1.0)
    both = share.view(-1, 1, 1, 1).to(features.dtype)
    mixed = both * features + (1 - both) * features.roll(1, 0)
    return mixed, share.unsqueeze(1) * targets + (1 - share.unsqueeze(1)) * targets.roll(1, 0)


def synchronize(device: torch.device) -> None:
    """Wait for the GPU, if that is what computes."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def train(runs: list[Run], epochs: Iterable[int]) -> float:
    """Train runs side by side; seconds of an epoch of all."""
    device, start, count = runs[0].device, time.perf_counter(), 0
    synchronize(device)
    for epoch in epochs:
        for run in runs:
            with run.inside():
                run.start(epoch)
        steps = [len(run.examples) // run.batch_size for run in runs]
        for number, (run, own) in itertools.product(range(max(steps)), zip(runs, steps, strict=True)):
            if number < own:
                with run.inside():
                    run.step(number)
        count += 1
        synchronize(device)  # the host does not run ahead by more than an epoch, nor does memory
    return (time.perf_counter() - start) / max(count, 1)


@torch.no_grad()
def right(network: nn.Module, examples: Examples, batch_size: int = 2000) -> tuple[Tensor, float]:
    """Which examples are classified right, in float32, and the mean cross-entropy."""
    network.eval()
    features = examples.features.float().split(batch_size)
    logits = torch.cat([network(part.contiguous(memory_format=torch.channels_last)) for part in features])
    network.train()
    loss = F.cross_entropy(logits, examples.labels)
    return logits.argmax(1) == examples.labels, float(loss)
