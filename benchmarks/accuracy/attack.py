"""Attacks on small CIFAR-10 networks: ours beside torchattacks, and defences that only hide their gradient.

    python -m benchmarks.accuracy.attack [peers | cost | autoattack | masking ...] [--images 200] [--epochs 4]
        [--update FILE]

`peers` and `autoattack` need `pip install --no-deps torchattacks`. CIFAR-10 is read from
`$LOSSY_DATA/cifar10/{train,test}/<class>/*.png`; images and trained weights are kept in `--cache`, by default a folder
of the system's temporary one. Training takes about two minutes a network on one thread. All accuracies are in percent,
of codes rounded to 8 bits, on a fixed random choice of the test split.
"""

import io
import os
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

from benchmarks.harness import machine, parser, show
from lossy_lightning.attacks import (
    at_temperature,
    cross_entropy,
    differentiable,
    margin,
    projected_attack,
    quantized_gradient_step,
    square_attack,
    straight_through,
    worst_case,
)
from lossy_lightning.core import CodeSpec
from lossy_lightning.nn import ConvNet, Scale

SPEC = CodeSpec.uniform((3, 32, 32), 0, 255, ordinal=True)
CACHE = Path(tempfile.gettempdir()) / "lossy_lightning_attack"


class Thermometer(nn.Module):
    """Each channel as 16 bits, of which as many are 1 as the value has passed thresholds (Buckman et al., 2018)."""

    def forward(self, code: Tensor) -> Tensor:
        """Bits of codes: ``(N, C, H, W)`` to ``(N, 16 * C, H, W)``."""
        thresholds = torch.arange(0, 256, 16, device=code.device).view(1, 1, -1, 1, 1)
        return (code.unsqueeze(2) >= thresholds).float().flatten(1, 2)


class From01(nn.Module):
    """Images in [0, 1] as code values."""

    def forward(self, images: Tensor) -> Tensor:
        """``(N, C, H, W)``, times 255."""
        return images * 255


def small_net(channels: int = 3) -> nn.Sequential:
    def block(width: int, out: int) -> list[nn.Module]:
        return [nn.Conv2d(width, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(channels, 32), *block(32, 64), *block(64, 128), nn.Flatten(), nn.Linear(2048, 10))


MODELS: dict[str, Callable[[], nn.Sequential]] = {
    "pixels": lambda: nn.Sequential(Scale(SPEC), small_net()),
    "thermometer": lambda: nn.Sequential(Thermometer(), small_net(48)),
    "binary": lambda: nn.Sequential(Scale(SPEC), ConvNet((3, 32, 32), 10, channels=(64, 128, 128))),
}


def load(split: str, cache: Path) -> tuple[Tensor, Tensor]:
    """Images ``(N, 3, 32, 32)`` uint8 and classes, in a fixed random order."""
    path = cache / f"{split}.npz"
    if not path.exists():
        folders = sorted((Path(os.environ["LOSSY_DATA"]) / "cifar10" / split).glob("[!.]*"))
        files = [(file, label) for label, folder in enumerate(folders) for file in sorted(folder.glob("*.png"))]
        chosen = [files[i] for i in np.random.default_rng(0).permutation(len(files))]
        images = np.stack([np.asarray(Image.open(file).convert("RGB")) for file, _ in chosen])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, images=images.transpose(0, 3, 1, 2), labels=[label for _, label in chosen])
    stored = np.load(path)
    return torch.from_numpy(stored["images"]), torch.from_numpy(stored["labels"])


def trained(name: str, cache: Path, epochs: int) -> nn.Sequential:
    """A network with its weights from the cache, or trained now."""
    torch.manual_seed(0)
    model, path = MODELS[name](), cache / f"{name}-{epochs}.pt"
    if path.exists():
        model.load_state_dict(torch.load(path))
        return model.eval()
    images, labels = load("train", cache)
    optimizer = torch.optim.Adam(model.parameters())
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, epochs=epochs, steps_per_epoch=len(images) // 128)
    for _ in range(epochs):
        for index in torch.randperm(len(images)).split(128)[: len(images) // 128]:
            training_step(model, optimizer, images[index], labels[index])
            rate.step()
    torch.save(model.state_dict(), path)
    return model.eval()


def training_step(model: nn.Module, optimizer: torch.optim.Optimizer, code: Tensor, target: Tensor) -> None:
    optimizer.zero_grad()
    F.cross_entropy(model(code), target).backward()
    optimizer.step()


def accuracy(forward: Callable[[Tensor], Tensor], code: Tensor, target: Tensor) -> float:
    with torch.no_grad():
        right = torch.cat([forward(c).argmax(1) == t for c, t in zip(code.split(256), target.split(256), strict=True)])
    return 100 * right.float().mean().item()


def quantized(images: Tensor) -> Tensor:
    """From [0, 1] to 8 bits."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)


def seconds(*functions: Callable[[], Any], repeats: int = 3) -> list[float]:
    """Median processor time of each function, in turn, so that a busy machine hits all alike."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, taken in zip(functions, times, strict=True):
            start = time.process_time()
            function()
            taken.append(time.process_time() - start)
    return [statistics.median(taken) for taken in times]


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
        t_fgsm, t_sign = seconds(lambda: fgsm(code / 255, target), sign)  # noqa: B023
        t_pgd, t_projected = seconds(lambda: pgd(code / 255, target), projected)  # noqa: B023
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

        t_attack, t_step = seconds(attack, step, repeats=7)
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
