"""Attacks on small CIFAR-10 networks: ours beside torchattacks, and defences that only hide their gradient.

    python -m benchmarks.accuracy.attack [peers | cost | autoattack | masking | greedy ...] [--images 200] [--epochs 4]
        [--update FILE]

`peers` and `autoattack` need `pip install --no-deps torchattacks`. CIFAR-10 is read from
`$LOSSY_DATA/cifar10/{train,test}/<class>/*.png`; images and trained weights are kept in `--cache`, by default a folder
of the system's temporary one. Training takes about two minutes a network on one thread. All accuracies are in percent,
of codes rounded to 8 bits, on a fixed random choice of the test split.
"""

import io
import itertools
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from benchmarks.accuracy.small_networks import MODELS, From01, accuracy, load, quantized, trained, training_step
from benchmarks.harness import machine, parser, seconds, show
from lossy_lightning.attacks import (
    at_temperature,
    cross_entropy,
    differentiable,
    margin,
    projected_attack,
    quantized_gradient_step,
    square_attack,
    straight_through,
    substitution_attack,
    worst_case,
)
from lossy_lightning.core import CodeSpec
from lossy_lightning.nn import Embed

CACHE = Path(tempfile.gettempdir()) / "lossy_lightning_attack"


def medians(*functions: Callable[[], Any], repeats: int = 3) -> list[float]:
    """Median processor time of each function, in turn, so that a busy machine hits all alike."""
    times = [[seconds(function, time.process_time) for function in functions] for _ in range(repeats)]
    return [statistics.median(taken) for taken in zip(*times, strict=True)]


def peers(cache: Path, images: int, epochs: int) -> list[list[str]]:
    """Sign step and projected form, the mean of five random starts, against torchattacks' FGSM and PGD."""
    import torchattacks

    model, (code, target) = trained("pixels", cache, epochs), load("test", cache)
    code, target = code[:images], target[:images]

    model = nn.Sequential(From01(), *model).eval()  # one function of images in [0, 1], for both

    def forward(values: Tensor) -> Tensor:
        return model(values / 255)

    print(f"clean {accuracy(forward, code, target):.1f}")
    rows = [["budget", "single step, ours / theirs", "time", "10 iterations, ours / theirs", "time"]]
    for budget in (1, 2, 4, 8):
        step = max(1, budget // 4)
        fgsm = torchattacks.FGSM(model, eps=budget / 255)
        pgd = torchattacks.PGD(model, eps=budget / 255, alpha=step / 255, steps=10, random_start=True)

        def sign() -> Tensor:
            values = code.float().requires_grad_()
            gradient = torch.autograd.grad(F.cross_entropy(forward(values), target), values)[0]
            return quantized_gradient_step(code, gradient, budget, 0, 255)  # noqa: B023

        def projected() -> Tensor:
            return projected_attack(forward, code, target, budget, [step] * 10, 0, 255)  # noqa: B023

        theirs, ours = accuracy(forward, quantized(fgsm(code / 255, target)), target), accuracy(forward, sign(), target)
        torch.manual_seed(0)
        theirs_10 = statistics.mean(accuracy(forward, quantized(pgd(code / 255, target)), target) for _ in range(5))
        ours_10 = statistics.mean(accuracy(forward, projected(), target) for _ in range(5))
        t_fgsm, t_sign = medians(lambda: fgsm(code / 255, target), sign)  # noqa: B023
        t_pgd, t_projected = medians(lambda: pgd(code / 255, target), projected)  # noqa: B023
        accuracies = f"{ours:.1f} / {theirs:.1f}", f"{ours_10:.1f} / {theirs_10:.1f}"
        times = f"{t_sign / t_fgsm:.2f}", f"{t_projected / t_pgd:.2f}"
        rows.append([f"{budget}/255", accuracies[0], times[0], accuracies[1], times[1]])
    return rows


def cost(cache: Path, images: int, epochs: int) -> list[list[str]]:
    """Ten iterations of the attack, finding the stem included, in training steps of the same batch."""
    code, target = (x[:128] for x in load("test", cache))
    rows = [["network", "ten iterations, s", "in training steps"]]
    for name in MODELS:
        model = trained(name, cache, epochs)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.0)

        def attack() -> None:
            _, alive = differentiable(model, code, model, 0, 255, 8)  # noqa: B023
            projected_attack(alive, code, target, 8, [2] * 10, 0, 255, random_start=False)

        def step() -> None:
            training_step(model.train(), optimizer, code, target)  # noqa: B023
            model.eval()  # noqa: B023

        t_attack, t_step = medians(attack, step, repeats=7)
        rows.append([name, f"{t_attack:.2f}", f"{t_attack / t_step:.1f}"])
    return rows


def strongest(
    forward: Callable[[Tensor], Tensor], code: Tensor, target: Tensor, budget: int, iterations: int = 100
) -> Tensor:
    """What `autoattack` is compared with: cross-entropy, margin, nine targets, squares; each on what still holds."""
    sizes = [max(1, budget // 2)] * (iterations // 4) + [1] * (iterations - iterations // 4)

    def untargeted(loss: Any, start: bool) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda c, t: projected_attack(forward, c, t, budget, sizes, 0, 255, loss=loss, random_start=start)

    def towards(rank: int) -> Callable[[Tensor, Tensor], Tensor]:
        def attack(c: Tensor, t: Tensor) -> Tensor:
            with torch.no_grad():
                wanted = forward(c.float()).scatter(1, t.unsqueeze(1), -torch.inf).argsort(1, descending=True)[:, rank]
            return projected_attack(forward, c, wanted, budget, sizes, 0, 255, loss=margin, targeted=True)

        return attack

    def squares(c: Tensor, t: Tensor) -> Tensor:
        return square_attack(forward, c, t, budget, 0, 255, queries=50 * iterations)

    attacks = [untargeted(cross_entropy, False), untargeted(margin, True), *map(towards, range(9)), squares]
    return worst_case(forward, code, target, attacks)


def autoattack(cache: Path, images: int, epochs: int) -> list[list[str]]:
    """Our strongest mode against torchattacks' standard AutoAttack, at the same numbers of iterations and queries."""
    import torchattacks

    model, (code, target) = trained("pixels", cache, epochs), load("test", cache)
    code, target = code[:images], target[:images]
    module = nn.Sequential(From01(), model).eval()
    rows = [["budget", "AutoAttack", "its time, s", "ours", "our time, s"]]
    for budget in (1, 2):
        start = time.perf_counter()
        theirs = quantized(torchattacks.AutoAttack(module, eps=budget / 255, n_classes=10)(code / 255, target))
        middle = time.perf_counter()
        ours = strongest(model, code, target, budget)
        end = time.perf_counter()
        found = accuracy(model, theirs, target), middle - start, accuracy(model, ours, target), end - middle
        rows.append([f"{budget}/255", *(f"{value:.1f}" for value in found)])
    return rows


def greedy(cache: Path, images: int, epochs: int) -> list[list[str]]:
    """Substitutions, the greedy attack against trying all: codes of nine indices out of eight, random networks."""
    spec = CodeSpec.uniform((1, 3, 3), 0, 7, ordinal=False)
    heads = {
        "linear": lambda: [nn.Linear(36, 4)],
        "one hidden layer": lambda: [nn.Linear(36, 16), nn.Tanh(), nn.Linear(16, 4)],
        "two hidden layers": lambda: [nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)],
    }
    rows = [["after the stem", "replaced", "codes that fall to some, %", "of these to the attack, %"]]
    for name, head in heads.items():
        for count in (1, 2):
            fall, found = 0, 0
            for seed in range(3):
                torch.manual_seed(seed)
                stem, code = Embed(spec, 4), torch.randint(8, (images, 1, 3, 3))
                model = nn.Sequential(stem, nn.Flatten(), *head()).eval()
                with torch.no_grad():
                    target = model(code).argmax(1)
                    broken = _falls_to_some(model, code, target, count)
                    moved = substitution_attack(model, stem, code, target, count, 0, 7)
                    fall, found = fall + int(broken.sum()), found + int((model(moved).argmax(1) != target).sum())
            rows.append([name, str(count), f"{100 * fall / (3 * images):.1f}", f"{100 * found / fall:.1f}"])
    return rows


def _falls_to_some(model: nn.Module, code: Tensor, target: Tensor, count: int) -> Tensor:
    """Whether each code of few places falls to any replacement of so many of its values."""
    broken = torch.zeros(len(code), dtype=torch.bool)
    for places in itertools.combinations(range(code[0].numel()), count):
        for values in itertools.product(range(8), repeat=count):
            changed = code.flatten(1).clone()
            changed[:, places] = torch.tensor(values)
            broken |= model(changed.view_as(code)).argmax(1) != target
    return broken


def through_jpeg(values: Tensor) -> Tensor:
    """Pixels that went through a JPEG file of quality 75 (Pillow's default subsampling)."""
    out = []
    for image in values.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=75)
        out.append(torch.from_numpy(np.array(Image.open(file))))
    return torch.stack(out).permute(0, 3, 1, 2).float()


def masking(cache: Path, images: int, epochs: int) -> list[list[str]]:
    """Clean accuracy, and accuracy at 8/255 under naive, transferred and adaptive attacks; temperatures."""
    budget = 8
    pixels = trained("pixels", cache, epochs)
    code, target = (x[:images] for x in load("test", cache))
    found: dict[str, float] = {}

    def attacked(
        forward: Any, steps: list[int], loss: Any = cross_entropy, budget: int = budget, momentum: float = 0.0
    ) -> Tensor:
        return projected_attack(
            forward, code, target, budget, steps, 0, 255, momentum=momentum, loss=loss, random_start=False
        )

    def note(name: str, value: float) -> None:
        found[name] = value
        print(f"{name}: {value:.1f}", flush=True)

    steps = [2] * 20
    transferred = attacked(pixels, steps)
    note("pixels, clean", accuracy(pixels, code, target))
    note("pixels, adaptive", accuracy(pixels, transferred, target))

    model = trained("thermometer", cache, epochs)
    naive, alive = differentiable(model, code, model, 0, 255, budget)
    note("thermometer, clean", accuracy(model, code, target))
    note("thermometer, naive", accuracy(model, attacked(naive, steps), target))
    note("thermometer, transfer", accuracy(model, transferred, target))
    note("thermometer, adaptive", accuracy(model, attacked(alive, steps), target))

    def defended(x: Tensor) -> Tensor:
        return pixels(through_jpeg(x.detach()))

    past_files = straight_through(through_jpeg)
    note("JPEG, clean", accuracy(defended, code, target))
    note("JPEG, transfer", accuracy(defended, transferred, target))
    adaptive = attacked(lambda x: pixels(past_files(x)), [2] * 30 + [1] * 70, margin, momentum=0.9)
    note("JPEG, adaptive, 100 iterations", accuracy(defended, adaptive, target))

    model = trained("binary", cache, epochs)
    note("binary, clean", accuracy(model, code, target))
    note("binary, transfer", accuracy(model, transferred, target))
    with torch.no_grad():
        note("binary, mean confidence", 100 * model(code).softmax(1).amax(1).mean().item())
    # At the full budget nothing is left for a temperature to lower.
    for small in (budget, 2):
        for temperature in (1.0, 0.1, 0.3, 3.0, 10.0, 100.0):
            loss = at_temperature(cross_entropy, temperature)
            moved = attacked(model, [max(1, small // 4)] * 20, loss, small)
            note(f"binary, {small}/255, temperature {temperature:g}", accuracy(model, moved, target))
    return _defences(found, budget)


def _defences(found: dict[str, float], budget: int) -> list[list[str]]:
    """The figures of `masking` as a table."""
    ways = ("clean", "naive", "transfer", "adaptive")
    longer = {
        "JPEG, adaptive": "JPEG, adaptive, 100 iterations",
        "binary, adaptive": f"binary, {budget}/255, temperature 1",
    }
    names = {"pixels": "none", "thermometer": "thermometer codes", "JPEG": "JPEG, quality 75"}
    names |= {"binary": "binary weights and activations"}
    cells = {name: [found.get(longer.get(key := f"{name}, {way}", key)) for way in ways] for name in names}
    shown = {name: ["" if value is None else f"{value:.0f}" for value in values] for name, values in cells.items()}
    return [["defence", *ways], *([names[name], *values] for name, values in shown.items())]


SECTIONS: dict[str, Callable[[Path, int, int], list[list[str]]]] = {
    "peers": peers,
    "cost": cost,
    "masking": masking,
    "autoattack": autoattack,
    "greedy": greedy,
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("sections", nargs="*", metavar="section", help=f"default: all of {', '.join(SECTIONS)}")
    arguments.add_argument("--images", type=int, default=200)
    arguments.add_argument("--epochs", type=int, default=4)
    arguments.add_argument("--cache", type=Path, default=CACHE)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the tables into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=FutureWarning)
    for section in given.sections or SECTIONS:
        print(f"== {section}: {SECTIONS[section].__doc__}", flush=True)
        rows = SECTIONS[section](given.cache, given.images, given.epochs)
        show(rows, f"{given.images} images, 32-true on {machine()}.", given.update, f"attack-{section}")


if __name__ == "__main__":
    main()
