import pytest
import torch
from torch import Tensor

from lossy_lightning.profiling import stray_values

SIGNS = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])


@pytest.mark.parametrize(
    ("values", "bit_width", "scale"),
    [
        (SIGNS, 1, None),
        (0.3 * SIGNS, 1, torch.tensor(0.3)),
        (SIGNS.clamp(min=0), 1, None),
        (torch.full((4,), 0.7), 1, None),
        (torch.arange(-8, 8) * 0.1, 4, torch.tensor(0.1)),
        (torch.arange(256) * 0.013, 8, torch.tensor(0.013)),
        (torch.tensor([-1.5, 0.0, 1.5]), 2, None),
        (torch.rand(100), 32, None),
        (torch.empty(0), 1, None),
    ],
)
def test_values_within_their_bits(values: Tensor, bit_width: int, scale: Tensor | None) -> None:
    assert stray_values(values, bit_width, scale) is None


@pytest.mark.parametrize(
    ("values", "bit_width", "scale", "shown"),
    [
        (torch.tensor([-1.0, 0.0, 1.0]), 1, None, [-1, 0, 1]),
        (torch.tensor([0.5, 2.0]), 1, None, [0.5, 2]),
        (torch.tensor([-1.0, 0.5]), 1, None, [-1, 0.5]),
        (torch.arange(5.0), 2, None, [0, 1, 2, 3, 4]),
        (torch.tensor([0.0, 1.0, 1.5]), 2, torch.tensor(1.0), [1.5]),
        (torch.tensor([-3.0, 1.0]), 2, torch.tensor(1.0), [-3, 1]),
        (torch.arange(100.0), 4, None, list(range(8))),
    ],
)
def test_values_beyond_their_bits(values: Tensor, bit_width: int, scale: Tensor | None, shown: list[float]) -> None:
    stray = stray_values(values, bit_width, scale)
    assert stray is not None
    assert stray.tolist() == shown


def test_nan_is_no_bit() -> None:
    stray = stray_values(torch.tensor([1.0, float("nan")]), 1)
    assert stray is not None
    assert bool(stray.isnan().any())


def test_each_channel_may_have_its_scale() -> None:
    values = SIGNS * torch.tensor([[1.0], [0.5]])
    assert stray_values(values, 1, channel_axis=0) is None
    assert stray_values(values, 1) is not None
    assert stray_values(values, 1, channel_axis=1) is not None
    steps = torch.tensor([[0.0, 1.0, 3.0], [0.0, 0.5, 1.5]])
    assert stray_values(steps, 2, torch.tensor([[1.0], [0.5]]), channel_axis=0) is None


def test_zero_point_shifts_the_grid() -> None:
    values = (torch.arange(16) - 5) * 0.25
    assert stray_values(values, 4, torch.tensor(0.25), torch.tensor(5.0)) is None
