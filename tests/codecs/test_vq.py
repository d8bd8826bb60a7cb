import copy
import io
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from sklearn.cluster import MiniBatchKMeans
from torchvision.datasets import MNIST

from lossy_lightning.codecs import VQ
from lossy_lightning.core import CodeSpec, Field


def smooth_images(count=64, seed=0, channels=1):
    """Bright spots on a black background, most blocks empty: what frequencies of blocks look like in MNIST."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, channels, 2, 1, 1, generator=generator) * 24
    y, x = torch.meshgrid(torch.arange(24), torch.arange(24), indexing="ij")
    distance = (y - centre[:, :, 0]) ** 2 + (x - centre[:, :, 1]) ** 2
    return (255 * torch.exp(-distance / 8)).round().to(torch.uint8)


def blocks_of(images, size):
    """Blocks of one-channel images, by slices."""
    grid = range(0, images.shape[-1], size)
    return np.concatenate(
        [images[:, 0, i : i + size, j : j + size].reshape(len(images), -1) for i in grid for j in grid]
    )


def test_the_codebook_is_scikit_learns_on_distinct_blocks():
    images = smooth_images()
    codec = VQ((4, 4), 16, seed=3).fit(images.split(10))
    distinct = np.unique(blocks_of(images, 4), axis=0)
    assert len(distinct) < len(blocks_of(images, 4)) / 2
    kmeans = MiniBatchKMeans(16, random_state=3, batch_size=4096, n_init=3).fit(distinct.astype(np.float32))
    np.testing.assert_array_equal(codec.codebook.numpy(), kmeans.cluster_centers_.round())
    assert torch.equal(codec.codebooks(), codec.codebook[None])


def test_the_codebook_does_not_depend_on_the_batches_but_on_the_seed():
    for images in (smooth_images(), smooth_images().float()):
        codebook = VQ((4, 4), 16).fit([images]).codebook
        assert torch.equal(VQ((4, 4), 16).fit(images.split(7)).codebook, codebook)
        assert not torch.equal(VQ((4, 4), 16, seed=1).fit([images]).codebook, codebook)


def test_fitting_does_not_touch_the_global_generators():
    torch.manual_seed(0)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    VQ((4, 4), 8).fit([smooth_images().float()])
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


def test_distinct_blocks_halve_the_error_of_all_blocks():
    images = smooth_images(256)
    codec = VQ((4, 4), 16).fit([images])
    kmeans = MiniBatchKMeans(16, random_state=0, batch_size=4096, n_init=3).fit(blocks_of(images, 4).astype(np.float32))
    every = copy.deepcopy(codec)
    every.codebook = torch.from_numpy(kmeans.cluster_centers_).float()
    ours, theirs = ((c.decode(c.encode(images)).float() - images).square().mean() for c in (codec, every))
    assert ours < theirs


@pytest.mark.parametrize("split", ["train", "test"])
def test_mnist_uses_all_words_at_a_quarter_of_the_error(data_root, split):
    train = MNIST(data_root).data[:6000].unsqueeze(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codec = VQ((4, 4), 16).fit(train.split(2000))
    images = train if split == "train" else MNIST(data_root, train=False).data.unsqueeze(1)
    code = codec.encode(images)
    error = (codec.decode(code, (1, 28, 28)) / 255 - images / 255).square().mean()
    assert len(code.unique()) == 16
    assert 0.02 < error < 0.026


def test_each_block_becomes_its_nearest_word():
    images = smooth_images(5, seed=1)
    codec = VQ((4, 4), 16).fit([smooth_images()])
    blocks, words = blocks_of(images, 4).astype(int), codec.codebook.numpy()
    want = ((blocks[:, None] - words[None]) ** 2).sum(-1).argmin(1).reshape(6, 6, 5).transpose(2, 0, 1)
    code = codec.encode(images)
    assert code.dtype is torch.uint8
    np.testing.assert_array_equal(code[:, 0].numpy(), want)
    decoded = codec.decode(code)
    np.testing.assert_array_equal(decoded[2, 0, 4:8, 8:12].flatten().numpy(), words[want[2, 1, 2]])


def test_blocks_span_all_channels():
    images = smooth_images(channels=3)
    codec = VQ((6, 4), 8).fit([images])
    assert codec.codebook.shape == (8, 3 * 6 * 4)
    assert codec.encode(images).shape == (64, 1, 4, 6)
    assert codec.decode(codec.encode(images), (3, 24, 24)).shape == images.shape


def test_one_axis_and_leading_dimensions():
    sound = torch.randint(-999, 999, (2, 3, 1, 50), dtype=torch.int16, generator=torch.Generator().manual_seed(0))
    codec = VQ((4,), 5).fit([sound[0], sound[1]])
    code = codec.encode(sound)
    assert code.shape == (2, 3, 1, 13)
    decoded = codec.decode(code, (1, 50))
    assert decoded.shape == sound.shape
    assert decoded.dtype is torch.int16


def test_the_spec_is_one_channel_of_indices_on_the_grid():
    assert VQ((4, 4), 16).spec((3, 9, None)) == CodeSpec([Field("code", (0,), (15,), ordinal=False)], (3, None))
    assert VQ((4,), 300).spec((1, 8)).dtype is torch.int16


def test_idle_words_are_a_warning_with_their_number():
    blocks = torch.tensor([0, 0, 0, 80, 160, 240], dtype=torch.uint8).view(6, 1, 1, 1)
    with pytest.warns(UserWarning, match="2 of the 6 codewords of this VQ are unused or duplicates") as caught:
        codec = VQ((1, 1), 6).fit([blocks])
    assert caught[0].filename == __file__
    assert codec.codebook.flatten().tolist() == [0, 80, 160, 240, 240, 240]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VQ((1, 1), 4).fit([blocks])


def test_a_float_sample_is_uniform_whatever_the_batches(monkeypatch):
    monkeypatch.setattr("lossy_lightning.codecs.vq._FLOAT_SAMPLE", 50)
    signal = torch.linspace(0, 1, 2000).view(-1, 1, 1)
    drawn = []
    for seed in range(20):
        samples = [
            VQ((1,), 50, seed=seed).fit(signal.split(sizes)).codebook.flatten()
            for sizes in (2000, 45, [10, 1500, 400, 90])
        ]
        assert len(samples[0].unique()) == 50
        assert all(torch.equal(sample, samples[0]) for sample in samples)
        drawn.append(samples[0])
    assert kstest(torch.cat(drawn).numpy(), "uniform").pvalue > 0.01


def test_a_fitted_state_goes_into_an_unfitted_codec_weights_only():
    images = smooth_images()
    codec, file = VQ((4, 4), 16).fit([images]), io.BytesIO()
    torch.save(codec.state_dict(), file)
    file.seek(0)
    other = VQ((4, 4), 16)
    assert not other.fitted
    assert other.codebooks() is None
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other.fitted
    assert torch.equal(other.encode(images), codec.encode(images))
    assert other.decode(other.encode(images)).dtype is torch.uint8
    assert other.fingerprint() == codec.fingerprint()
    assert copy.deepcopy(codec).fingerprint() == codec.fingerprint()


def test_a_state_of_another_number_of_levels_is_refused_and_changes_nothing():
    codec = VQ((4, 4), 16).fit([smooth_images()])
    before = codec.codebook.clone()
    with pytest.raises(RuntimeError, match="size mismatch for codebook"):
        codec.load_state_dict(VQ((4, 4), 8).fit([smooth_images()]).state_dict())
    assert torch.equal(codec.codebook, before)


@pytest.mark.parametrize(
    ("block", "levels"),
    [((), 16), ((4, 0), 16), (4, 16), ("4x4", 16), ((4, 4), 1), ((4, 4), 2**16 + 1), ((4, 4), "16"), ((4, 4), 16.0)],
)
def test_what_is_no_block_or_number_of_levels_is_refused(block, levels):
    with pytest.raises(ValueError, match=r"a block of at least one sample, .* and 2 to 65536 levels; got") as caught:
        VQ(block, levels)
    assert str(caught.value).endswith(f"{block=}, {levels=}")


def test_numbers_of_numpy_are_numbers():
    assert VQ((np.int64(4), 4), np.int64(2) ** 16).levels == 2**16


def test_an_unfitted_codec_says_so():
    with pytest.raises(RuntimeError, match="no codebook yet; call fit, or load a fitted state"):
        VQ((4, 4), 16).encode(smooth_images())
    with pytest.raises(RuntimeError, match="no codebook yet"):
        VQ((4, 4), 16).decode(torch.zeros(1, 2, 2, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (torch.zeros(1, 8, 8), r"fitted to signals of torch.uint8; got torch.float32"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"signals of 1 channels; got shape \(3, 8, 8\)"),
        (torch.zeros(8, 8, dtype=torch.uint8), r"takes signals \(..., channels, \*size\); got shape \(8, 8\)"),
    ],
    ids=["dtype", "channels", "axes"],
)
def test_other_signals_than_fitted_to_are_refused(signal, message):
    with pytest.raises(ValueError, match=message):
        VQ((4, 4), 16).fit([smooth_images()]).encode(signal)


def test_a_spec_of_other_axes_is_refused():
    with pytest.raises(ValueError, match=r"block \(4, 4\) takes signals \(channels, \*size\); got shape \(1, 8\)"):
        VQ((4, 4), 16).spec((1, 8))


@pytest.mark.parametrize("signals", [[], [torch.zeros(0, 1, 8, 8)]], ids=["no batch", "empty batch"])
def test_no_signals_are_refused(signals):
    with pytest.raises(ValueError, match="no signals; pass at least one batch"):
        VQ((4, 4), 16).fit(signals)


def test_pairs_of_signal_and_target_are_refused():
    with pytest.raises(ValueError, match="each a tensor; got a tuple: leave the targets out"):
        VQ((4, 4), 16).fit([(smooth_images(), torch.zeros(8))])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(value):
    signals = torch.randn(4, 1, 8, 8)
    signals[2, 0, 3, 3] = value
    with pytest.raises(ValueError, match="NaN or infinite values"):
        VQ((4, 4), 4).fit([signals])
