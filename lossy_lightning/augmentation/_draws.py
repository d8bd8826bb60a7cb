"""What augmentations share: draws by example, and checks of their arguments."""

import torch
from torch import Tensor

#: Samples of silence that tell how a codec without a rate of its own codes it.
SILENT_SAMPLES = 16_000


def choose(chosen: Tensor, augmented: Tensor, code: Tensor) -> Tensor:
    """The augmented codes of the chosen examples ``(N,)``, the others as they are."""
    return torch.where(chosen.view(-1, *[1] * (code.ndim - 1)), augmented, code)


def check_shares(**shares: float) -> None:
    """Raise ValueError where a share or probability is not from 0 to 1."""
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is from 0 to 1; got {share}")


def check_counts(**numbers: int) -> None:
    """Raise ValueError if a number is below 0."""
    for name, number in numbers.items():
        if number < 0:
            raise ValueError(f"{name} is at least 0; got {number}")
