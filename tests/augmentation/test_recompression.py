import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.augmentation import Recompression
from lossy_lightning.codecs import JPEG, PCM, Decoded
from tests.codecs.transform.images import smooth


def adapted(augmentation, *codecs):
    augmentation.adapt(codecs, codecs[0].spec((3, 16, 16)), None)
    return augmentation


@pytest.mark.parametrize(
    "make", [lambda q: JPEG(q, "4:4:4", dequantize=True), lambda q: Decoded(JPEG(q, "4:4:4"))], ids=["codes", "pixels"]
)
def test_codes_are_those_of_what_is_decoded(make):
    code = make(50).encode(smooth(8, 3, 16, 16))
    kept = code.clone()
    again = adapted(Recompression([make(10)]), make(50), make(95))(code)
    assert torch.equal(again, make(10).encode(make(50).decode(code)))
    assert torch.equal(code, kept)
    assert not torch.equal(again, code)
    assert torch.equal(adapted(Recompression([make(10)], probability=0.0), make(50))(code), code)


def test_what_decodes_the_codes_may_be_of_another_class():
    augmentation = Recompression([Decoded(JPEG(10, "4:4:4"))])
    code = PCM().encode(smooth(8, 3, 16, 16))
    assert torch.equal(adapted(augmentation, PCM())(code), augmentation.codecs[0].encode(code))
    assert not augmentation.state_dict()


def test_each_example_draws_a_codec_of_its_own():
    torch.manual_seed(0)
    codecs = [JPEG(quality, "4:4:4", dequantize=True) for quality in (5, 95)]
    code = JPEG(50, "4:4:4", dequantize=True).encode(smooth(1, 3, 16, 16)).repeat(400, 1, 1, 1)
    got = adapted(Recompression(codecs, probability=0.5), codecs[0])(code)
    images = codecs[0].decode(code[:1])
    of_each = [(got == expected).flatten(1).all(1) for expected in (code[:1], *(c.encode(images) for c in codecs))]
    assert torch.stack(of_each).sum(0).eq(1).all()
    assert [float(each.float().mean()) for each in of_each] == pytest.approx([0.5, 0.25, 0.25], abs=0.07)


def test_levels_of_several_qualities_do_not_mix():
    with pytest.raises(MisconfigurationException, match=r"differ in their quantization steps: set dequantize=True"):
        adapted(Recompression([JPEG(10), JPEG(50)]), JPEG(50))
    with pytest.raises(MisconfigurationException, match="differ in their quantization steps"):
        adapted(Recompression([JPEG(10, tables=True)]), JPEG(10))


def test_codes_of_another_shape_are_an_error():
    own = JPEG(50, "4:4:4", dequantize=True)
    code = own.encode(smooth(2, 3, 16, 16))
    with pytest.raises(ValueError, match=r"makes codes of shape \(384, 1, 1\) of what has \(192, 2, 2\)"):
        adapted(Recompression([JPEG(50, dequantize=True)]), own)(code)


@pytest.mark.parametrize("codecs", [[], None, JPEG(10), [JPEG]])
def test_mistakes(codecs):
    with pytest.raises(ValueError, match="codecs is a list of one or more codecs"):
        Recompression(codecs)
    with pytest.raises(ValueError, match="probability"):
        Recompression([JPEG(10)], probability=1.5)
