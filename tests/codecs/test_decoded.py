import io

import pytest
import torch

from lossy_lightning.codecs import PCM, VQ, Decoded


def images(count=32, seed=0):
    return torch.randint(0, 256, (count, 1, 10, 10), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def test_the_pixels_are_those_of_the_codes():
    codec = VQ((4, 4), 16).fit([images()])
    decoded = Decoded(codec)
    pixels = decoded.encode(images(3, seed=1))
    assert torch.equal(pixels, codec.decode(codec.encode(images(3, seed=1)), (1, 10, 10)))
    assert torch.equal(decoded.decode(pixels, (1, 10, 10)), pixels)
    assert decoded.spec((1, 10, 10)) == PCM().spec((1, 10, 10))
    assert decoded.codebooks() is None


@pytest.mark.parametrize("batches", [list, iter], ids=["list", "read once"])
def test_the_view_is_fitted_to_the_decoded_signals(batches):
    inner = VQ((5, 5), 4).fit([images()])
    outer = VQ((2, 2), 4).fit([inner.decode(inner.encode(images()))])
    decoded = Decoded(VQ((5, 5), 4), VQ((2, 2), 4))
    assert not decoded.fitted
    assert decoded.fit(batches(images().split(10))) is decoded
    assert decoded.fitted
    assert torch.equal(decoded.codec.codebook, inner.codebook)
    assert torch.equal(decoded.codebooks(), outer.codebooks())
    assert decoded.spec((1, 10, 10)) == outer.spec((1, 10, 10))


def test_nothing_to_fit_is_fitted():
    assert Decoded(PCM()).fitted
    assert Decoded(PCM()).fit([images()]).fitted
    assert not Decoded(VQ((2, 2), 4)).fitted


def test_the_state_is_that_of_both_codecs():
    decoded, file = Decoded(VQ((5, 5), 4), VQ((2, 2), 4)).fit([images()]), io.BytesIO()
    torch.save(decoded.state_dict(), file)
    file.seek(0)
    other = Decoded(VQ((5, 5), 4), VQ((2, 2), 4))
    assert other.fingerprint() != decoded.fingerprint()
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other.fingerprint() == decoded.fingerprint()
    assert torch.equal(other.encode(images()), decoded.encode(images()))


def test_it_promises_no_more_than_its_codecs():
    host = PCM()
    host.on_device = False
    host.sample_rate = 16_000
    assert Decoded(PCM()).on_device
    assert not Decoded(host).on_device
    assert not Decoded(PCM(), view=host).on_device
    assert Decoded(host).sample_rate == 16_000
    assert Decoded(PCM()).keeps_phase
    host.keeps_phase = False
    assert not Decoded(host).keeps_phase
    assert not Decoded(PCM(), view=host).keeps_phase
    assert Decoded(PCM()).idempotent
    assert Decoded(PCM(), view=VQ((4, 4), 4)).idempotent
    assert not Decoded(VQ((4, 4), 4)).idempotent


def test_decoded_blocks_that_were_cropped_may_code_differently():
    """Why `Decoded` of a block codec is not idempotent."""
    decoded = Decoded(VQ((4, 4), 16)).fit([images()])
    pixels = decoded.encode(images())
    assert not torch.equal(decoded.encode(pixels), pixels)


@pytest.mark.parametrize("arguments", [{"codec": VQ}, {"codec": PCM(), "view": PCM}])
def test_a_class_is_no_codec(arguments):
    with pytest.raises(ValueError, match=r"takes codecs, such as JPEG\(\) and PCM\(\); got .*<class"):
        Decoded(**arguments)
