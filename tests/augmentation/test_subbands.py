import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.augmentation import SubbandFlip
from lossy_lightning.codecs import DeadZone, TransformCodec, Uniform, Wavelet
from tests.codecs.transform.images import smooth


@pytest.mark.parametrize("size", [(17, 25), (9, 9), (33, 17)])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_the_flipped_code_is_that_of_the_flipped_image(size, levels):
    images = smooth(3, 3, *size)
    reversible = TransformCodec(Wavelet(levels, "5/3"), DeadZone(1.0, 0.5))
    for horizontal, vertical in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
        axes = [axis for axis, probability in ((-1, horizontal), (-2, vertical)) if probability]
        flip = SubbandFlip(size, horizontal, vertical)
        flip.adapt([reversible], reversible.spec((3, *size)), None)
        assert torch.equal(flip(reversible.encode(images)), reversible.encode(images.flip(axes)))
        other = TransformCodec(Wavelet(levels), DeadZone(2.0))
        flip.adapt([other], other.spec((3, *size)), None)
        code = other.encode(images)
        kept = code.clone()
        flipped = flip(code)
        assert torch.equal(code, kept)
        assert (flipped != other.encode(images.flip(axes))).float().mean() < 1e-3  # float values at ends of a step
        assert torch.equal(other.decode(flipped, (3, *size)), other.decode(code, (3, *size)).flip(axes))


def test_each_image_has_a_draw_of_its_own():
    codec = TransformCodec(Wavelet(1), DeadZone(1.0))
    flip = SubbandFlip((9, 9))
    flip.adapt([codec], codec.spec((1, 9, 9)), None)
    code = codec.encode(smooth(1, 9, 9).expand(64, -1, -1, -1))
    torch.manual_seed(0)
    changed = (flip(code) != code).flatten(1).any(1)
    assert 16 < int(changed.sum()) < 48


def test_a_crop_at_positions_is_what_the_whole_image_has_there():
    codec = TransformCodec(Wavelet(2), DeadZone(0.25))
    image = smooth(3, 48, 64)
    whole = codec.decode(codec.encode(image), (3, 48, 64))
    part = codec.decode(codec.encode(image)[:, 2:10, 4:12])
    inner = slice(12, 20)
    assert (part[:, inner, inner].int() - whole[:, 8:40, 16:48][:, inner, inner].int()).abs().max() <= 1


def test_what_is_not_exact_is_refused():
    codec = TransformCodec(Wavelet(2), DeadZone(1.0))
    with pytest.raises(MisconfigurationException, match=r"only along axes of k \* 4 \+ 1 samples"):
        SubbandFlip((16, 16)).adapt([codec], codec.spec((3, 16, 16)), None)
    SubbandFlip((16, 17)).adapt([codec], codec.spec((3, 16, 17)), None)  # only the width is flipped
    with pytest.raises(MisconfigurationException, match=r"have the grid \(5, 5\); got codes on \(4, 4\)"):
        SubbandFlip((17, 17)).adapt([codec], codec.spec((3, 16, 16)), None)
    with pytest.raises(MisconfigurationException, match="takes codes of Wavelet"):
        SubbandFlip((17, 17)).adapt([], Uniform(4, 0.0, 1.0).spec((3, 17, 17)), None)
    with pytest.raises(MisconfigurationException, match="does not know the fields"):
        SubbandFlip((17, 17))(codec.encode(smooth(2, 3, 17, 17)))


def test_bad_input():
    for size in ((17,), "17", 17):
        with pytest.raises(ValueError, match=r"size is \(height, width\)"):
            SubbandFlip(size)
    with pytest.raises(ValueError, match="height is a whole number"):
        SubbandFlip((0, 5))
    with pytest.raises(ValueError, match="is a number from 0 to 1"):
        SubbandFlip((5, 5), 1.5)
