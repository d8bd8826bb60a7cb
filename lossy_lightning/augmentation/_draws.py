"""What augmentations share: draws by example."""

from torch import Tensor


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
