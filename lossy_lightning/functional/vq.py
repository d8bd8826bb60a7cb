"""Vector quantization."""

import torch
from torch import Tensor


def nearest_codewords(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Index of the nearest codeword by Euclidean distance; the first one on a tie.

    Distances are computed in float64, exactly for integer vectors, so the answer does not depend on how vectors are
    batched.

    Args:
        vectors: ``(..., dim)``.
        codebook: ``(levels, dim)``.

    Returns:
        ``(...)``, int64.
    """
    words = codebook.double()
    offset = words.square().sum(1) / 2
    rows = max(1, 2**22 // len(codebook))  # bounds the table of distances to 32 MiB
    flat = vectors.reshape(-1, vectors.shape[-1])
    nearest = torch.empty(len(flat), dtype=torch.int64, device=flat.device)
    for start in range(0, len(flat), rows):
        chunk = slice(start, start + rows)
        nearest[chunk] = (offset - flat[chunk].double() @ words.T).argmin(1)
    return nearest.view(vectors.shape[:-1])


def sum_codewords(code: Tensor, codebooks: Tensor, absent: int | None = None) -> Tensor:
    """What a residual code stands for: the words of all stages added up, first stage first.

    Args:
        code: ``(..., stages, positions)``, integer; at most as many stages as there are codebooks.
        codebooks: ``(C, levels, dim)``.
        absent: Index of a stage that was not sent, which adds nothing; None if all are.

    Returns:
        ``(..., dim, positions)``.

    Example:
        >>> sum_codewords(torch.tensor([[0, 1], [1, -1]]), torch.tensor([[[1.0], [2.0]], [[10.0], [20.0]]]), -1)
        tensor([[21.,  2.]])
    """
    words = torch.nn.functional.pad(codebooks, (0, 0, 0, 1))  # what is absent is the last row
    total = codebooks.new_zeros(())
    for stage, index in enumerate(code.long().unbind(-2)):
        present = index if absent is None else index.where(index != absent, codebooks.shape[1])
        total = total + words[stage][present]
    return total.movedim(-1, -2)
