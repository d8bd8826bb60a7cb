import pytest
import torch

from lossy_lightning.functional import inverse_wavelet_packet, wavelet, wavelet_packet


def by_splitting(rows, levels):
    """Every band split again and again by `wavelet`; rows ``(N, 1, n)``, which it sees as images of one row."""
    bands = [rows]
    for _ in range(levels):
        split = [wavelet(band, 1) for band in bands]
        bands = [part for low, (details,) in split for part in (low * 2**0.5, details.hl / 2**0.5)]
    return torch.cat(bands, -2)


@pytest.mark.parametrize(
    ("size", "levels"), [(8, 3), (32, 3), (128, 3), (136, 3), (448, 3), (6, 1), (256, 5), (512, 8)]
)
def test_bands_are_those_of_one_split_after_the_other(size, levels):
    rows = torch.randn(3, 1, size, dtype=torch.float64)
    bands = wavelet_packet(rows, levels, axes=1)
    assert torch.allclose(bands, by_splitting(rows, levels), atol=1e-12)
    assert torch.allclose(inverse_wavelet_packet(bands, levels, axes=1), rows, atol=1e-12)


@pytest.mark.parametrize(("size", "levels"), [((16, 24), 3), ((136, 8), 2), ((32, 48), 4)])
def test_images(size, levels):
    image = torch.randn(2, 3, *size, dtype=torch.float64)
    bands = wavelet_packet(image, levels, axes=2)
    assert bands.shape == (2, 3 * 4**levels, size[0] >> levels, size[1] >> levels)
    assert torch.allclose(inverse_wavelet_packet(bands, levels, axes=2), image, atol=1e-12)
    rows = wavelet_packet(image[:, 1].flatten(0, 1).unsqueeze(1), levels, axes=1)  # (N rows, bands, columns)
    horizontal = rows.unflatten(0, (2, size[0])).movedim(1, -1).flatten(0, 2).unsqueeze(1)
    both = wavelet_packet(horizontal, levels, axes=1).unflatten(0, (2, 2**levels, -1))
    expected = both.permute(0, 3, 1, 4, 2).flatten(1, 2)
    assert torch.allclose(bands[:, 4**levels : 2 * 4**levels], expected, atol=1e-12)


def test_energy_is_nearly_kept_and_gradients_pass():
    image = torch.randn(1, 1, 64, 64, requires_grad=True)
    bands = wavelet_packet(image, levels=3, axes=2)
    assert 0.9 < (bands.square().sum() / image.square().sum()).item() < 1.2
    assert torch.allclose(torch.autograd.grad(bands[0, 0].sum(), image)[0].sum(), torch.tensor(8.0 * 64), rtol=1e-3)


def test_sizes_and_bands_that_do_not_fit():
    with pytest.raises(ValueError, match=r"multiples of 8; got \(32, 30\): pad"):
        wavelet_packet(torch.zeros(3, 32, 30), levels=3, axes=2)
    with pytest.raises(ValueError, match="3 levels make 8 bands of each channel; got 12"):
        inverse_wavelet_packet(torch.zeros(12, 4), levels=3, axes=1)
