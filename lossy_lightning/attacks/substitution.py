"""Attacks on categories: replacements chosen to first order past the stem, verified by forward passes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from lossy_lightning.attacks._features import floats, packed
from lossy_lightning.attacks._first_order import Reads, first_order_change, what_it_reads
from lossy_lightning.attacks._gradients import gradients
from lossy_lightning.attacks._kept import Kept
from lossy_lightning.attacks.fixed import Fixed
from lossy_lightning.attacks.gradient_step import Bound, check_code, per_channel
from lossy_lightning.attacks.losses import Loss, cross_entropy, judged
from lossy_lightning.core import InputError


@torch.no_grad()
def substitution_scores(
    stem: nn.Module,
    code: Tensor,
    feature_gradient: Any,
    low: Bound,
    high: Bound,
    reads: Reads | None = None,
    fixed: Fixed | None = None,
) -> tuple[Tensor, Tensor]:
    """Change of a loss, to first order after the stem, for each replacement of one value of a code.

    Args:
        stem: Codes to features: an embedding, a look-up, one-hot vectors, bits.
        code: ``(N, C, *grid)``, integer.
        feature_gradient: Of the loss with respect to the stem's features, one tensor or several as the features.
        low: Least code value.
        high: Greatest code value, inclusive.
        reads: What the features read; None: it is found by trial.
        fixed: From codes to a mask of the values that stay, such as `fixed_values`; None: all may change.

    Returns:
        The change ``(N, levels, C, *grid)``, minus infinity if a value is out of its channel's range, there already,
        or fixed, and the value of each level ``(levels,)``.

    Raises:
        ValueError: If all values are fixed.

    Source: Ebrahimi et al., HotFlip: white-box adversarial examples for text classification, ACL 2018, section 4.
    """
    least, greatest = per_channel(low, code), per_channel(high, code)
    free = torch.ones_like(code, dtype=torch.bool) if fixed is None else ~fixed(code)
    if not bool(free.any()):
        raise InputError(f"all values of this code of shape {tuple(code.shape)} are fixed; name fields that may change")
    first, last = (bound.expand_as(code)[free] for bound in (least, greatest))
    values = torch.arange(int(first.min()), int(last.max()) + 1, device=code.device)
    reads = what_it_reads(stem, code, low, high) if reads is None else reads
    features, feature_gradient, scores = packed(stem.forward(code), code), packed(feature_gradient, code), []
    for value in values:
        # Out of a channel's range a table may have no row, so the clamped value is looked up and then struck out.
        other = value.clamp(least, greatest).to(code.dtype).expand_as(code)
        allowed = (value >= least) & (value <= greatest) & (value != code) & free
        change = first_order_change(stem, code, other, feature_gradient, reads, features)
        scores.append(change.float().masked_fill(~allowed, -torch.inf))
    return torch.stack(scores, 1), values


def substitution_attack(
    forward: Callable[[Tensor], Tensor],
    stem: nn.Module,
    code: Tensor,
    target: Tensor,
    substitutions: int,
    low: Bound,
    high: Bound,
    *,
    candidates: int = 8,
    fixed: Fixed | None = None,
    loss: Loss = cross_entropy,
    targeted: bool = False,
) -> Tensor:
    """Replace one value after another, each time the best of the most promising ones tried.

    Each round takes the loss's gradient at the stem's features, ranks all single replacements by it, tries the
    ``candidates`` best ones by forward passes, and continues with the one of greatest loss. The best code tried is
    kept.

    Args:
        forward: Integer codes ``(N, C, *grid)`` to logits ``(N, K)``, through the stem.
        stem: The module that reads the code, from `find_stem`.
        code: ``(N, C, *grid)``, integer.
        target: ``(N,)``, int64: the true classes, or the ones to reach if ``targeted``.
        substitutions: Greatest number of replaced values, the budget.
        low: Least code value.
        high: Greatest code value, inclusive.
        candidates: Replacements tried in each round.
        fixed: From codes to a mask of the values that stay, such as `fixed_values`; None: all may change.
        loss: What is increased, or reduced if ``targeted``.
        targeted: Whether ``target`` is to be reached.

    Returns:
        Codes of the same shape and dtype, each with at most ``substitutions`` values replaced.

    Raises:
        ValueError: If the code does not fit its range, or the numbers are less than 1.
    """
    check_code(code, low, high, fixed)
    if substitutions < 1 or candidates < 1:
        raise InputError(f"substitutions and candidates are at least 1; got {substitutions} and {candidates}")
    kept, current, reads = Kept(code), code, what_it_reads(stem, code, low, high)
    for _ in range(substitutions):
        logits, losses, feature_gradient = _at_features(forward, stem, current, target, loss)
        kept.offer(current, logits, losses, target, targeted)
        uphill = [-gradient if targeted else gradient for gradient in feature_gradient]
        scores, values = substitution_scores(stem, current, uphill, low, high, reads, fixed)
        tried = Kept(current)
        for candidate in _most_promising(current, scores, values, candidates):
            logits, losses = judged(forward, candidate, target, loss)
            tried.offer(candidate, logits, losses, target, targeted)
            kept.offer(candidate, logits, losses, target, targeted)
        if bool(kept.success.all()):
            break
        current = tried.code
    return kept.code


def _most_promising(code: Tensor, scores: Tensor, values: Tensor, count: int) -> list[Tensor]:
    """Copies of the codes, each with one value replaced: the best ones of each example, best first."""
    places = code[0].numel()
    best = scores.flatten(1).topk(min(count, scores[0].numel()))
    copies = []
    for score, index in zip(best.values.unbind(1), best.indices.unbind(1), strict=True):
        flat, place = code.flatten(1).clone(), (index % places).unsqueeze(1)
        value = values[index // places].to(code.dtype).unsqueeze(1)
        # Fewer replacements than candidates are allowed in a small code; the rest leave it as it is.
        flat.scatter_(1, place, torch.where(score.isfinite().unsqueeze(1), value, flat.gather(1, place)))
        copies.append(flat.view_as(code))
    return copies


def _at_features(
    forward: Callable[[Tensor], Tensor], stem: nn.Module, code: Tensor, target: Tensor, loss: Loss
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Logits, loss of each example, and the losses' gradients with respect to the stem's features."""
    read: list[Tensor] = []

    def detach(module: nn.Module, args: tuple[Tensor, ...], features: Any) -> Any:
        given = floats(features)
        read[:] = [feature.detach().requires_grad_() for feature in given]
        detached = dict(zip(map(id, given), read, strict=True))
        return tree_map_only(Tensor, lambda tensor: detached.get(id(tensor), tensor), features)

    result: list[Tensor] = []

    def run() -> Tensor:
        logits = forward(code)
        result[:] = [logits.detach(), loss(logits, target)]
        return result[1].sum()

    with stem.register_forward_hook(detach):
        found = gradients(run, lambda: read) or [None] * len(read)
    slopes = [torch.zeros_like(x) if g is None else g for x, g in zip(read, found, strict=True)]
    return result[0], result[1].detach(), slopes
