import pytest
import torch

from lossy_lightning.functional.mp3 import dequantize, to_frequency_order
from lossy_lightning.functional.mp3._bands import _LONG, _SHORT

PRETAB = (0,) * 11 + (1, 1, 1, 1, 2, 2, 3, 3, 3, 2, 0)


def _granule(seed, block_type, mixed):
    generator = torch.Generator().manual_seed(seed)

    def draw(high, *shape):
        return torch.randint(high, (1, 1, *shape), generator=generator)

    kind = torch.tensor([[block_type]]), torch.tensor([[mixed]])
    return (draw(8207, 576) - 4000, draw(256), draw(16, 39), draw(8, 3), *kind, draw(2), draw(2))


def _by_hand(rate, levels, gain, factors, subgain, block_type, mixed, scale, flag):
    """Lines of a granule, as loops over bands as they stand in the file."""
    lines, at = [0.0] * 576, 0
    num_long = 22 if block_type != 2 else (8 if rate >= 32_000 else 6) * mixed

    def put(line, exponent):
        nonlocal at
        level = levels[at]
        lines[line] = (-1 if level < 0 else 1) * abs(level) ** (4 / 3) * 2.0 ** ((gain - 210) / 4 - exponent)
        at += 1

    for band in range(num_long):
        raised = flag * PRETAB[band] if block_type != 2 else 0
        for _ in range(_LONG[rate][band]):
            put(at, (0.5 + 0.5 * scale) * (factors[band] + raised))
    for band in range(13 if num_long == 22 else 3 if mixed else 0, 13):
        start = at
        for w in range(3):
            for f in range(_SHORT[rate][band]):
                put(start + 3 * f + w, 2 * subgain[w] + (0.5 + 0.5 * scale) * factors[3 * band + w])
    assert at == 576
    return lines


@pytest.mark.parametrize("rate", [44_100, 48_000, 32_000, 22_050, 24_000, 16_000, 11_025, 12_000, 8_000])
@pytest.mark.parametrize(("block_type", "mixed"), [(0, 0), (1, 0), (2, 0), (2, 1), (3, 0)])
def test_lines_are_those_of_the_standard(rate, block_type, mixed):
    granule = _granule(rate + block_type, block_type, mixed)
    want = _by_hand(rate, *(part[0, 0].tolist() for part in granule))
    levels, *rest = granule
    got = dequantize(levels.double(), *rest, rate)[0, 0]
    torch.testing.assert_close(got, torch.tensor(want, dtype=torch.float64))


def test_integers_are_computed_in_single_precision():
    levels, *rest = _granule(0, 0, 0)
    got = dequantize(levels.to(torch.int16), *rest, 44_100)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, dequantize(levels.double(), *rest, 44_100).float())


def test_each_line_stands_in_the_file_once():
    for mixed in (0, 1):
        lines = to_frequency_order(
            torch.arange(576).view(1, 1, -1), torch.tensor([[2]]), torch.tensor([[mixed]]), 32_000
        )
        assert sorted(lines.flatten().tolist()) == list(range(576))


def test_gradient_of_a_level_is_finite_at_zero():
    levels = torch.zeros(1, 1, 576, requires_grad=True)
    _, *rest = _granule(0, 2, 0)
    dequantize(levels, *rest, 44_100).sum().backward()
    assert bool((levels.grad == 0).all())


def test_a_rate_of_another_standard_is_refused():
    with pytest.raises(ValueError, match=r"Layer III has the sampling rates .*; got 96000"):
        to_frequency_order(torch.zeros(1, 1, 576), torch.zeros(1, 1), torch.zeros(1, 1), 96_000)
