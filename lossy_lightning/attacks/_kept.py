"""The best codes that an attack has found."""

import torch
from torch import Tensor


class Kept:
    """The best code of each example so far.

    Args:
        code: ``(N, C, *grid)``, kept until something is offered.
    """

    def __init__(self, code: Tensor) -> None:
        self.code = code.clone()
        self.success = torch.zeros(len(code), dtype=torch.bool, device=code.device)
        self.loss = torch.full((len(code),), -torch.inf, dtype=torch.float64, device=code.device)

    def offer(
        self,
        code: Tensor,
        logits: Tensor,
        loss: Tensor,
        target: Tensor,
        targeted: bool = False,
        index: Tensor | None = None,
    ) -> None:
        """Take over the examples that are better: they fool the model, or else their loss is greater.

        What is offered may be of some examples only, each at most once; ``index`` says of which.
        """
        if index is None:
            index = torch.arange(len(self.code), device=code.device)
        kept = self.success[index]
        if logits.ndim == 2 and target.shape == logits.shape[:1] and not target.is_floating_point():
            hit = logits.argmax(1) == target
        else:  # values to regress have no class to lose, so only their loss counts
            hit = torch.full_like(kept, not targeted)
        success, loss = (hit, -loss.double()) if targeted else (~hit, loss.double())
        better = (success & ~kept) | ((success == kept) & (loss > self.loss[index]))
        place = index[better]
        self.code[place], self.loss[place] = code[better], loss[better]
        self.success[index] = kept | success
