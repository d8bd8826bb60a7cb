"""Changes that an attack made and did not need."""

from collections.abc import Callable

import torch
from torch import Tensor

from lossy_lightning.core import InputError


@torch.no_grad()
def undo_needless(
    fools: Callable[[Tensor, Tensor], Tensor],
    clean: Tensor,
    moved: Tensor,
    target: Tensor,
    order: Tensor | None = None,
    *,
    trials: int = 64,
) -> Tensor:
    """Undo changes of adversarial codes, many at a time and then fewer, as long as they still fool the model.

    Only answers of the model are used. Examples that do not fool it stay as they are.

    Args:
        fools: Codes and targets to whether each code fools the model, ``(N,)``.
        clean: ``(N, C, *grid)``, integer.
        moved: Adversarial codes of the same shape.
        target: ``(N,)``.
        order: Which changes are undone first, those of the least value, such as their gain per cost: ``(N, C, *grid)``;
            None: the smallest changes.
        trials: At most so many questions to the model in each round; a round halves how many changes go at a time.

    Returns:
        Codes of the same shape, each of whose values is the clean or the moved one.

    Raises:
        ValueError: If the codes are not of one shape, or there is no trial.

    Example:
        >>> clean, moved = torch.zeros(1, 4, dtype=torch.int64), torch.tensor([[3, 1, 0, 2]])
        >>> undo_needless(lambda code, target: code.sum(1) >= target, clean, moved, torch.tensor([3]))
        tensor([[3, 0, 0, 0]])
    """
    if clean.shape != moved.shape or trials < 1:
        raise InputError(
            f"codes are of one shape, and there is 1 trial or more; got {tuple(clean.shape)}, {tuple(moved.shape)}, "
            f"{trials=}"
        )
    order = (moved.double() - clean.double()).abs() if order is None else order.double()
    index = torch.nonzero(fools(moved, target)).squeeze(1)
    result = moved.clone()
    if not len(index):
        return result
    base, current, wanted = clean[index].flatten(1), moved[index].flatten(1), target[index]
    worth = order.expand(clean.shape)[index].flatten(1)
    chunk = int((current != base).sum(1).amax())
    while chunk > 1:
        chunk = (chunk + 1) // 2
        # Those that are left, in their order; undone ones come last and cost no trial.
        rank = worth.masked_fill(current == base, torch.inf).argsort(1).argsort(1)
        count = int((current != base).sum(1).amax())
        for start in range(0, min(count, chunk * trials), chunk):
            tried = torch.where((rank >= start) & (rank < start + chunk), base, current)
            still = fools(tried.view_as(moved[index]), wanted) & (tried != current).any(1)
            current = torch.where(still.unsqueeze(1), tried, current)
    result[index] = current.view_as(moved[index])
    return result
