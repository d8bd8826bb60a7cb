import numpy as np
import pytest
import torch

from lossy_lightning.codecs import DeadZone
from lossy_lightning.testing import check_codec


def values(count=4, seed=0):
    return 30 * torch.randn(count, 2, 6, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("arguments", [(4.0,), (0.5, 1 / 3, 0.25)])
def test_contract(arguments):
    check_codec(DeadZone(*arguments), (2, 6, 5), values())


@pytest.mark.parametrize(("step", "rounding"), [(4.0, 0.0), (0.7, 1 / 6), (3.0, 0.5)])
def test_levels_and_values_are_those_of_the_formula(step, rounding):
    x = values().numpy()
    level = np.sign(x) * np.floor(np.abs(x) / np.float32(step) + rounding)
    codec = DeadZone(step, rounding)
    code = codec.encode(values())
    np.testing.assert_array_equal(code, level)
    shift = 0.5 - rounding
    np.testing.assert_allclose(codec.decode(code), np.sign(level) * (np.abs(level) + shift) * step, rtol=1e-6)
    assert (codec.decode(code) - values()).abs().max() <= step * max(1 - rounding, 0.5) + 1e-5


def test_whole_numbers_go_through_steps_of_one_unchanged():
    whole = torch.arange(-300.0, 300).view(1, -1)
    for codec in (DeadZone(1.0, 0.5), DeadZone(1.0, reconstruction=0.0)):
        assert torch.equal(codec.decode(codec.encode(whole)), whole)
    assert not DeadZone(1.0, reconstruction=0.0).idempotent


def test_the_range_of_levels_follows_from_the_bound():
    assert DeadZone(4.0).level_ranges([11.9, 3.9]) == [(-2, 2), (0, 0)]
    assert DeadZone(4.0, 0.5).level_ranges([10.0]) == [(-3, 3)]
    assert DeadZone(1e-6).encode(torch.tensor([[-1e9]])).item() == -(2**30)


def test_rate_is_the_entropy_of_the_levels():
    assert DeadZone(1.0).rate(torch.tensor([0, 0, 1, 5])) == 1.5
    assert DeadZone(1.0).rate(torch.empty(0, dtype=torch.int32)) == 0


@pytest.mark.parametrize("step", [1e-30, 1e28])
def test_all_levels_of_any_step_have_values(step):
    greatest = torch.tensor([[2**30]])
    assert DeadZone(step).decode(greatest).isfinite().all()
    assert torch.equal(DeadZone(step).encode(torch.tensor([[3.5 * step]])), torch.tensor([[3]], dtype=torch.int32))


def test_bad_input():
    for arguments in ((0.0,), (1e-40,), (1e39,), (-1.0,), (float("nan"),), (1.0, 0.6), (1.0, -0.1), (1.0, 0.0, 1.0)):
        with pytest.raises(ValueError, match="is a number"):
            DeadZone(*arguments)
    for value in ("nan", "inf", "-inf"):
        with pytest.raises(ValueError, match=r"finite float32 values; got torch\.float32, or NaN or infinity"):
            DeadZone(1.0).encode(torch.tensor([[0.0, float(value)]]))
    with pytest.raises(ValueError, match=r"finite float32 values; got torch\.uint8"):
        DeadZone(1.0).encode(torch.ones(1, 3, dtype=torch.uint8))
