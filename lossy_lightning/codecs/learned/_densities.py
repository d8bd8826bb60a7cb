"""How likely integers are: what a learned codec's rate is trained with, and its coding tables are made of."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.functional import bound

LEAST = 2.0**-20
"""Below it, a probability counts as this, as in the tables of files, which add up to 2^20."""
SCALES = torch.logspace(math.log10(0.11), math.log10(64), 64, dtype=torch.float64)
"""Standard deviations that a hyperprior tells, as indices into this list."""


class FactorizedDensity(nn.Module):
    """A density for each channel, which a small monotone network learns; it knows nothing of the values around.

    Args:
        channels: Number of channels.
        widths: Of the hidden layers of the network of each channel.
        spread: About how far values reach at the beginning.

    Source:
        Ballé et al., Variational image compression with a scale hyperprior, ICLR 2018, appendix 6.1.
    """

    def __init__(self, channels: int, widths: tuple[int, ...] = (3, 3, 3), spread: float = 10.0) -> None:
        super().__init__()
        sizes = [1, *widths, 1]
        grows = spread ** (1 / (len(sizes) - 1))
        self.matrices = nn.ParameterList()
        self.biases = nn.ParameterList()
        self.factors = nn.ParameterList()
        for width, following in pairwise(sizes):
            start = math.log(math.expm1(1 / grows / following))
            self.matrices.append(torch.full((channels, following, width), start))
            self.biases.append(torch.empty(channels, following, 1).uniform_(-0.5, 0.5))
        self.factors.extend(torch.zeros(channels, width, 1) for width in widths)

    def forward(self, values: Tensor) -> Tensor:
        """Probability of the integer step around each value, ``(N, channels, *grid)`` to the same shape."""
        flat = values.movedim(1, 0).flatten(1).unsqueeze(1)
        found = self._steps(flat).clamp(min=LEAST).view(values.shape[1], len(values), *values.shape[2:])
        return found.movedim(0, 1)

    @torch.no_grad()
    def table(self, most: int) -> Tensor:
        """Probabilities ``(channels, 2 most + 1)`` float64 of the integers -most … most; the ends have the tails."""
        steps = torch.arange(-most, most + 1, dtype=torch.float64)
        flat = steps.expand(len(self.matrices[0]), 1, -1)
        upper = torch.sigmoid(self._logits(flat + 0.5))
        upper[..., -1] = 1
        return torch.diff(upper, prepend=torch.zeros_like(upper[..., :1]))[:, 0]

    def _steps(self, flat: Tensor) -> Tensor:
        lower, upper = self._logits(flat - 0.5), self._logits(flat + 0.5)
        # On the side where both are small, the difference is exact.
        sign = -torch.sign(lower + upper).detach()
        return (torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).abs()

    def _logits(self, x: Tensor) -> Tensor:
        """Logits of the cumulative distribution at ``(channels, 1, values)``."""
        for i, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = torch.matmul(F.softplus(matrix).to(x.dtype), x) + bias.to(x.dtype)
            if i < len(self.factors):
                x = x + torch.tanh(self.factors[i]).to(x.dtype) * torch.tanh(x)
        return x


def scale_of(index: Tensor) -> Tensor:
    """Standard deviation of an index into `SCALES`, with a gradient."""
    low, high = math.log(SCALES[0]), math.log(SCALES[-1])
    return torch.exp(low + index * ((high - low) / (len(SCALES) - 1)))


def normal_steps(values: Tensor, scale: Tensor) -> Tensor:
    """Probability of the integer step around each value of a normal distribution about 0."""
    far = values.abs()
    steps = torch.special.ndtr((0.5 - far) / scale) - torch.special.ndtr((-0.5 - far) / scale)
    return bound(steps, LEAST)


def normal_table(most: int) -> Tensor:
    """Probabilities ``(scales, 2 most + 1)`` float64 of the integers -most … most; the ends have the tails."""
    upper = torch.special.ndtr((torch.arange(-most, most + 1, dtype=torch.float64) + 0.5) / SCALES[:, None])
    upper[:, -1] = 1
    return torch.diff(upper, prepend=torch.zeros_like(upper[:, :1]))
