"""What a drift monitor has counted, as a table."""

from collections.abc import Mapping, Sequence

from torch import Tensor


def drift_table(counts: Mapping[str, Tensor], classes: Sequence[str]) -> str:
    """A row for each codec, in Markdown: its name, accuracy, and the class that is predicted too often most.

    Args:
        counts: By name, examples of each class (rows) taken for each class (columns), ``(K, K)``.
        classes: Their names.

    Example:
        >>> from torch import tensor
        >>> print(drift_table({"q10": tensor([[3, 1], [2, 2]])}, ["cat", "dog"]).splitlines()[-1])
        | q10 | 62.50 % | cat, 12.50 % |
    """
    rows = ["| codec | accuracy | predicted too often, of all examples |", "|---|---|---|"]
    for name, found in counts.items():
        shares = found.double() / found.sum()
        excess = shares.sum(0) - shares.sum(1)
        most = int(excess.argmax())
        drawn = f"{classes[most]}, {100 * float(excess[most]):.2f} %"
        rows.append(f"| {name} | {100 * float(shares.diagonal().sum()):.2f} % | {drawn} |")
    return "\n".join(rows)
