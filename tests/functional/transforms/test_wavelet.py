import numpy as np
import pytest
import pywt
import torch

from lossy_lightning.functional import inverse_wavelet, rct_to_rgb, rgb_to_rct, wavelet

LIFTING = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
K = 1.230174104914001


def mirrored(signal, i):
    """T.800, equation F-4: the periodic symmetric extension."""
    if len(signal) == 1:
        return signal[0]
    i %= 2 * (len(signal) - 1)
    return signal[min(i, 2 * (len(signal) - 1) - i)]


def by_the_standard(signal):
    """T.800, F.4.8: one level of one row, on the extended signal as it is written there."""
    n, reach = len(signal), 4
    whole = np.issubdtype(signal.dtype, np.integer)
    if n == 1:
        return signal, signal[:0]
    y = {i: mirrored(signal, i) for i in range(-reach - 1, n + reach + 2)}
    for number, step in enumerate((None, None) if whole else LIFTING):
        for i in sorted(y):
            if i % 2 != number % 2 and i - 1 in y and i + 1 in y:
                near = y[i - 1] + y[i + 1]
                if whole:
                    y[i] = y[i] - near // 2 if number == 0 else y[i] + (near + 2) // 4
                else:
                    y[i] = y[i] + step * near
        y = {i: value for i, value in y.items() if number - reach - 1 <= i <= n + reach + 1 - number}
    scaled = [y[i] if whole else y[i] * (K if i % 2 else 1 / K) for i in range(n)]
    return np.array(scaled[0::2]), np.array(scaled[1::2])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 9, 13, 16, 17])
@pytest.mark.parametrize("dtype", [torch.int64, torch.float64])
def test_any_size_is_as_the_standard_writes_it(size, dtype):
    row = torch.randint(-128, 128, (size,), generator=torch.Generator().manual_seed(size)).to(dtype)
    low, high = by_the_standard(row.numpy())
    for image, take in ((row.view(1, -1), lambda band: band[0]), (row.view(-1, 1), lambda band: band[:, 0])):
        ours, details = wavelet(image, 1)
        band = details[0].hl if image.shape[0] == 1 and size > 1 else details[0].lh
        np.testing.assert_allclose(take(ours), low, atol=1e-9)
        if size > 1:
            np.testing.assert_allclose(take(band), high, atol=1e-9)


@pytest.mark.parametrize(("kernel", "name"), [("9/7", "bior4.4"), ("5/3", "bior2.2")])
def test_coefficients_are_those_of_pywavelets(kernel, name):
    """Its filters are normalized to gain sqrt(2), and its borders longer; integers are large, so that floors vanish."""
    one = 1 << 30
    row = torch.randint(-128, 128, (64,), generator=torch.Generator().manual_seed(1))
    image = row.double() if kernel == "9/7" else row * one
    low, details = wavelet(image.view(1, -1), 1)
    scale = 1 if kernel == "9/7" else one
    found = [(band.double() / scale).flatten().numpy() for band in (low, details[0].hl)]
    others = pywt.dwt(row.numpy(), name, mode="reflect")
    for ours, theirs, gain in zip(found, others, (2**0.5, 1 / 2**0.5), strict=True):
        extra = len(theirs) - len(ours)
        best = min(
            np.abs(sign * theirs[start : start + len(ours)] / gain - ours).max()
            for start in range(extra + 1)
            for sign in (1, -1)
        )
        assert best < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (7, 10), (16, 9)])
def test_the_inverse_is_exact(size):
    image = torch.randint(-128, 128, (2, 3, *size))
    for levels in (1, 2, 5):
        assert torch.equal(inverse_wavelet(*wavelet(image, levels)), image)
        assert torch.allclose(inverse_wavelet(*wavelet(image.double(), levels)), image.double(), atol=1e-9)
        small = inverse_wavelet(*wavelet(image.short(), levels))
        assert small.dtype == torch.int16
        assert torch.equal(small, image.short())


def test_symmetric_images_have_symmetric_subbands():
    image = torch.randint(-128, 128, (9, 17))
    low, details = wavelet(image, 3)
    flipped_low, flipped = wavelet(image.flip(-1), 3)
    assert torch.equal(flipped_low, low.flip(-1))
    for bands, mirrored_bands in zip(details, flipped, strict=True):
        assert all(torch.equal(a.flip(-1), b) for a, b in zip(bands, mirrored_bands, strict=True))


def test_the_colour_transform_is_reversible():
    rgb = torch.randint(-128, 128, (4, 3, 5, 6), dtype=torch.int16)
    assert torch.equal(rct_to_rgb(rgb_to_rct(rgb)), rgb)
    weights = torch.tensor([1, 2, 1]).view(3, 1, 1)
    assert torch.equal(rgb_to_rct(rgb)[:, 0], (rgb.float() * weights).sum(1).div(4).floor().short())
