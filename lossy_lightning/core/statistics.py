"""What is known of the codes of a data set."""

from typing import NamedTuple

from torch import Tensor


class CodeStatistics(NamedTuple):
    """Mean and standard deviation of each channel of a data set's training codes, float32, shape ``(C,)``.

    Values that say "not there" do not count.
    """

    mean: Tensor
    std: Tensor
