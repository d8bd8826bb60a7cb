"""The layout of codes, against the codec's own."""

import pytest
import torch

from lossy_lightning.codecs import JPEG
from lossy_lightning.functional import SAMPLING_FACTORS, mcu_layout, spread, zigzag


@pytest.mark.parametrize("subsampling", SAMPLING_FACTORS)
@pytest.mark.parametrize("tables", [False, True])
@pytest.mark.parametrize("components", [1, 3])
def test_the_layout_is_the_codecs(subsampling, tables, components):
    codec = JPEG(chroma_subsampling=subsampling, tables=tables)
    spec = codec.spec((components, None, None))
    layout = mcu_layout(spec.shape[0], subsampling)
    assert (layout.components, layout.has_tables) == (components, tables)
    assert layout.factors == (SAMPLING_FACTORS[subsampling] if components == 3 else (1, 1))
    levels = sum(low < 0 for low in spec.low)
    assert 64 * len(layout.block_components) == levels
    assert layout.block_components == (0,) * layout.luma_blocks + (1, 2)[: components - 1]


@pytest.mark.parametrize("channels", [None, 0, 63, 320])
def test_other_numbers_of_channels_are_errors(channels):
    with pytest.raises(ValueError, match=f"have 64, 128, 384, 576 channels; got {channels}"):
        mcu_layout(channels, "4:2:0")


@pytest.mark.parametrize("factors", [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (4, 8)])
def test_spread_places_channels_row_by_row(factors):
    h, v = factors
    features = torch.randn(2, 3 * h * v, 4, 5)
    got = spread(features, factors)
    assert got.shape == (2, 3, 4 * v, 5 * h)
    for row in range(v):
        for column in range(h):
            place = row * h + column
            assert torch.equal(got[:, :, row::v, column::h], features[:, 3 * place : 3 * place + 3])


def test_steps_are_what_levels_are_multiplied_with():
    image = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8)
    levels, values = JPEG(50).encode(image), JPEG(50, dequantize=True).encode(image)
    steps, parts = JPEG(50).steps(), JPEG(50).spec((3, 16, 16)).split(levels)
    for name, part in JPEG(50).spec((3, 16, 16)).split(values).items():
        assert torch.equal((parts[name] * steps[name].view(64, 1, 1)).short(), part)
        assert (JPEG(50, dequantize=True).steps()[name] == 1).all()
    assert JPEG(50, tables=True).steps() is None


def test_zigzag_is_the_standards():
    order = zigzag()
    assert order[:15] == [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4]
    assert order[-4:] == [47, 55, 62, 63]
    assert sorted(order) == list(range(64))
