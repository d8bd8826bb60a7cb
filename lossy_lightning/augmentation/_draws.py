"""What augmentations share: draws by example, and checks of their arguments."""

from torch import Tensor

from lossy_lightning.core import InputError


def choose(chosen: Tensor, augmented: Tensor, code: Tensor) -> Tensor:
    """The augmented codes of the chosen examples, the others as they are.

    Args:
        chosen: ``(N,)``, bool.
        augmented: ``(N, ...)``, integer; overwritten.
        code: The same, not augmented.
    """
    # Bits are chosen by a mask, several times as fast on a CPU as torch.where with one condition for a whole example.
    mask = -chosen.to(code.dtype).view(-1, *[1] * (code.ndim - 1))
    return augmented.bitwise_xor_(code).bitwise_and_(mask).bitwise_xor_(code)


def check_probabilities(**probabilities: float) -> None:
    """Raise InputError if a probability is not from 0 to 1."""
    for name, probability in probabilities.items():
        if not 0 <= probability <= 1:
            raise InputError(f"{name} is from 0 to 1; got {probability}")


def check_counts(**numbers: float) -> None:
    """Raise InputError if a number is below 0."""
    for name, number in numbers.items():
        if number < 0:
            raise InputError(f"{name} is at least 0; got {number}")
