"""What published attacks on networks of DCT coefficients measured, and what is left of it in a file."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from experiments.attack.routes import Images
from lossy_lightning.attacks import Loss, cross_entropy

BUDGETS = (2, 4, 8)
ITERATIONS = 10

Forward = Callable[[Tensor], Tensor]


def in_floats(forward: Forward, signal: Tensor, target: Tensor, budget: int, loss: Loss = cross_entropy) -> Tensor:
    """Projected gradient descent on pixels as floats, as attack libraries do it; nothing is rounded."""
    clean = signal.float()
    moved = clean.clone()
    for _ in range(ITERATIONS):
        values = moved.detach().requires_grad_()
        (slope,) = torch.autograd.grad(loss(forward(values), target).sum(), values)
        moved = torch.clamp(moved + budget / 4 * slope.sign(), clean - budget, clean + budget).clamp(0, 255)
    return moved.detach()


def claims(images: Images, nets: dict[str, nn.Module], signal: Tensor, target: Tensor) -> dict[str, int]:
    """How many examples of a batch are still right, by ``attacked network: made on: how judged: budget``.

    Judged on the floats themselves, or after rounding to 8 bits and through a JPEG file.
    """
    start = images.decode(images.encode(signal))
    forwards: dict[str, Forward] = {"samples": nets["samples"], "codes": lambda x: nets["codes"](images.fold(x))}
    right: dict[str, int] = {}
    for made, forward in forwards.items():
        for budget in BUDGETS:
            moved = in_floats(forward, start, target, budget)
            stored = images.write(images.encode(moved.round().to(torch.uint8)))
            read = {"samples": stored.signal, "codes": stored.code}
            for name, judge in forwards.items():
                with torch.no_grad():
                    floats, files = judge(moved).argmax(1), nets[name](read[name].float()).argmax(1)
                right[f"{name}: {made}: floats: {budget}"] = int((floats == target).sum())
                right[f"{name}: {made}: files: {budget}"] = int((files == target).sum())
    return right
