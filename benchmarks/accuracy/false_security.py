"""Does the attack's self-check see through networks that only hide their gradient, and trust the others?

    python -m benchmarks.accuracy.false_security [rehearsed | unseen | honest ...] [--images 200] [--budget 12]
        [--cache FOLDER] [--update FILE]

A small network learns CIFAR-10 (read from `$LOSSY_DATA/cifar10`), plainly (two epochs) and adversarially (three), with
three seeds; half a minute and six minutes on an idle core, kept in `--cache`. `rehearsed` are layers that hide the
gradient of the plain network, `unseen` three more that had no part in the making of the self-check, `honest` the
networks themselves. The truth is what an attack on the bare network, carried over, leaves, or what is reported if that
is less. Accuracies in percent, on images that the bare network gets right.
"""

import copy
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.accuracy._disguises import REHEARSED, UNSEEN
from benchmarks.accuracy.small_networks import load
from benchmarks.harness import machine, parser, show
from lossy_lightning.attacks import compare_attacks, cross_entropy, margin, ordinal_attacks, projected_attack, uphill

CACHE = Path(tempfile.gettempdir()) / "lossy_lightning_attack"


def bare(seed: int, cache: Path, budget: int = 0) -> nn.Sequential:
    """The network with its weights from the cache, or trained now: adversarially with a budget in 8-bit values."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4096, 10)
    )
    path = cache / f"net-{seed}-{budget}.pt"
    if path.exists():
        net.load_state_dict(torch.load(path))
        return net.eval()
    images, labels = load("train", cache)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(3 if budget else 2):
        for index in torch.randperm(len(images)).split(64)[:-1]:
            x, target = images[index].float() / 255, labels[index]
            x = _adversarial(net, x, target, budget / 255) if budget else x
            optimizer.zero_grad()
            F.cross_entropy(net(x), target).backward()
            optimizer.step()
    torch.save(net.state_dict(), path)
    return net.eval()


def _adversarial(net: nn.Module, x: Tensor, target: Tensor, budget: float) -> Tensor:
    """Three steps of half the budget, from a random start (Madry et al., 2018)."""
    moved = (x + budget * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
    for _ in range(3):
        moved.requires_grad_(True)
        (slope,) = torch.autograd.grad(F.cross_entropy(net(moved), target), moved)
        moved = (moved.detach() + budget / 2 * slope.sign()).clamp(x - budget, x + budget).clamp(0, 1)
    return moved.detach()


def disguised(net: nn.Sequential, place: int, layer: nn.Module) -> nn.Sequential:
    """The network with a layer put in."""
    layers = list(copy.deepcopy(net))
    return nn.Sequential(*layers[:place], layer, *layers[place:]).eval()


def right(net: nn.Module, cache: Path, images: int) -> tuple[Tensor, Tensor]:
    """The first test images that a network gets right, and their classes."""
    code, target = (x[: 10 * images] for x in load("test", cache))
    with torch.no_grad():
        chosen = torch.nonzero(net(code / 255).argmax(1) == target).squeeze(1)[:images]
    return code[chosen], target[chosen]


def row(name: str, net: nn.Module, twin: nn.Module, code: Tensor, target: Tensor, budget: int) -> list[str]:
    """What is reported of a network by default, and the truth."""
    begun = time.process_time()

    def forward(values: Tensor) -> Tensor:
        return net(values / 255)

    torch.manual_seed(0)
    attacks = ordinal_attacks(forward, net, code, budget, 0, 255)
    compared = compare_attacks(forward, code, target, attacks)
    rises = uphill(forward, attacks.own, code, target, max(1, budget // 4), 0, 255, loss=cross_entropy)
    seconds = time.process_time() - begun
    carried = projected_attack(
        lambda values: twin(values / 255), code, target, budget, [1] * 20, 0, 255, loss=margin, random_start=False
    )
    with torch.no_grad():
        left = sum(float((forward(carried).argmax(1) == target).float().mean()) for _ in range(5)) / 5
    reported = compared.strongest_accuracy
    shown = compared.naive_accuracy, reported, min(reported, left), compared.masking_index, rises
    print(name, *(f"{100 * value:.1f}" for value in shown), f"{seconds:.0f} s", flush=True)
    return [name, *(f"{100 * value:.1f}" for value in shown[:3]), f"{shown[3]:.2f}", f"{rises:.2f}", f"{seconds:.0f}"]


def rehearsed(cache: Path, images: int, budget: int) -> Iterator[list[str]]:
    """Layers on which the self-check and its threshold were fixed."""
    net = bare(0, cache)
    for name, (place, layer) in REHEARSED.items():
        yield row(name, disguised(net, place, layer), net, *right(net, cache, images), budget)


def unseen(cache: Path, images: int, budget: int) -> Iterator[list[str]]:
    """Layers that were tried after the self-check and its threshold were fixed."""
    net = bare(0, cache)
    for name, (place, layer) in UNSEEN.items():
        yield row(name, disguised(net, place, layer), net, *right(net, cache, images), budget)


def honest(cache: Path, images: int, budget: int) -> Iterator[list[str]]:
    """Networks that hide nothing: undefended, and adversarially trained."""
    for trained in (0, budget):
        for seed in range(3):
            net = bare(seed, cache, trained)
            name = f"{'adversarially trained' if trained else 'undefended'}, seed {seed}"
            yield row(name, net, net, *right(net, cache, images), budget)


SECTIONS = {"rehearsed": rehearsed, "unseen": unseen, "honest": honest}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("sections", nargs="*", metavar="section", help=f"default: all of {', '.join(SECTIONS)}")
    arguments.add_argument("--images", type=int, default=200)
    arguments.add_argument("--budget", type=int, default=12)
    arguments.add_argument("--cache", type=Path, default=CACHE)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the tables into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    head = [
        "network",
        "by its own gradient",
        "reported",
        "truth at most",
        "masking index",
        "uphill",
        "processor time, s",
    ]
    for section in given.sections or SECTIONS:
        print(f"== {section}: {SECTIONS[section].__doc__}", flush=True)
        rows = [head, *SECTIONS[section](given.cache, given.images, given.budget)]
        note = f"{given.images} images, budget {given.budget}, 32-true on {machine()}."
        show(rows, note, given.update, f"false-security-{section}")


if __name__ == "__main__":
    main()
