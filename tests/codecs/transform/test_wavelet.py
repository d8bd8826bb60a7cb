import io

import numpy as np
import pytest
import torch
from PIL import Image

from lossy_lightning.codecs import DeadZone, LloydMax, TransformCodec, Uniform, Wavelet
from lossy_lightning.testing import check_codec
from tests.codecs.transform.images import smooth

FINEST = ("ll", "hl_1", "lh_1", "hh_1")


@pytest.mark.parametrize(
    ("codec", "shape"),
    [
        (TransformCodec(Wavelet(2), DeadZone(2.0)), (3, 13, 18)),
        (TransformCodec(Wavelet(1, "5/3"), {name: DeadZone(1.0, 0.5) for name in FINEST}), (1, 7, 4)),
    ],
)
def test_contract(codec, shape):
    check_codec(codec, shape, max_distortion=150)


@pytest.mark.parametrize("shape", [(3, 16, 24), (1, 9, 8), (3, 11, 13), (2, 1, 17, 32)])
def test_the_reversible_filter_loses_nothing(shape):
    codec = TransformCodec(Wavelet(3, "5/3"), DeadZone(1.0, reconstruction=0.0))
    for image in (smooth(*shape), torch.randint(2, shape, dtype=torch.uint8) * 255):
        code = codec.encode(image)
        codec.spec(shape[-3:]).check(code)
        assert torch.equal(codec.decode(code, shape), image)


def opened(image, kernel, levels, reduce):
    """What OpenJPEG makes of the image at a lower resolution, from a file without loss, or nearly so."""
    file = io.BytesIO()
    picture = Image.fromarray(image.movedim(0, -1).squeeze(-1).numpy())
    options = {"irreversible": kernel == "9/7", "num_resolutions": levels + 1, "mct": 1 if len(image) == 3 else 0}
    if kernel == "9/7":
        options |= {"quality_mode": "rates", "quality_layers": [1]}
    picture.save(file, "JPEG2000", **options)
    file.seek(0)
    small = Image.open(file)
    small.reduce = reduce
    small.load()
    array = torch.from_numpy(np.array(small))
    return array.unsqueeze(-1).movedim(-1, 0) if array.ndim == 2 else array.movedim(-1, 0)


@pytest.mark.parametrize(("kernel", "channels", "most"), [("5/3", 1, 0), ("5/3", 3, 0), ("9/7", 1, 1), ("9/7", 3, 2)])
def test_low_frequencies_are_those_of_openjpeg(kernel, channels, most):
    """Files of the 9/7 filter are quantized; a unit of chroma is up to two of red and blue."""
    image = smooth(channels, 32, 48)
    for levels in (1, 2, 3):
        wavelet = Wavelet(levels, kernel)
        low = wavelet.layout(tuple(image.shape)).split(wavelet(image))["ll"]
        ours = wavelet._image(low.int() if kernel == "5/3" else low)
        theirs = opened(image, kernel, 3, levels)
        assert (ours.int() - theirs.int()).abs().max() <= most


def test_steps_are_the_derived_ones():
    code = TransformCodec(Wavelet(2), DeadZone(0.5))
    values = Wavelet(2)(smooth(3, 16, 16))
    layout = Wavelet(2).layout((3, 16, 16))
    parts, levels = layout.split(values), layout.split(code.encode(smooth(3, 16, 16)))
    steps = {"ll": 0.5, "hl_2": 1, "lh_2": 1, "hh_2": 2, "hl_1": 2, "lh_1": 2, "hh_1": 4}
    for name, step in steps.items():
        assert torch.equal(levels[name], (parts[name] / step).trunc().to(levels[name].dtype))


def test_each_field_can_have_a_quantizer_of_its_own():
    quantizers = {"ll": Uniform(5), "hl_1": LloydMax(2), "lh_1": DeadZone(4.0), "hh_1": DeadZone(8.0)}
    codec = TransformCodec(Wavelet(1), quantizers)
    assert not codec.fitted
    images = smooth(4, 3, 12, 10)
    code = codec.fit([images]).encode(images)
    spec = codec.spec((3, 12, 10))
    assert spec.field("ll").levels == (32,) * 3
    assert spec.field("hl_1").levels == (4,) * 3
    values = Wavelet(1).layout((3, 12, 10)).split(Wavelet(1)(images))
    assert torch.equal(spec.split(code)["hl_1"], quantizers["hl_1"].encode(values["hl_1"]))
    fresh = {"ll": Uniform(5), "hl_1": LloydMax(2), "lh_1": DeadZone(4.0), "hh_1": DeadZone(8.0)}
    again = TransformCodec(Wavelet(1), fresh)
    again.load_state_dict(codec.state_dict())
    assert torch.equal(again.decode(code, (3, 12, 10)), codec.decode(code, (3, 12, 10)))
    with pytest.raises(ValueError, match="needs a quantizer of field 'hl_1'; it has"):
        TransformCodec(Wavelet(1), {"ll": Uniform(5, 0.0, 1.0)}).encode(images)


def test_finer_steps_have_less_error_and_more_bits():
    image = smooth(3, 32, 32)
    errors, rates = [], []
    for step in (0.5, 2.0, 8.0):
        codec = TransformCodec(Wavelet(3), DeadZone(step))
        code = codec.encode(image)
        errors.append((codec.decode(code, (3, 32, 32)).float() - image).square().mean().item())
        rates.append(codec.quantizer.rate(code))
    assert errors == sorted(errors)
    assert rates == sorted(rates, reverse=True)
    assert errors[0] < 2


def test_gradients_reach_the_image():
    from lossy_lightning.functional import wavelet

    image = torch.rand(5, 6, requires_grad=True)
    low, details = wavelet(image, 1)
    (low.sum() + details[0].hh.square().sum()).backward()
    assert image.grad.abs().sum() > 0


def test_bad_input():
    for arguments in ((0,), (7,), (2, "haar"), ("2",)):
        with pytest.raises(ValueError, match=r"Wavelet has 1 to 6 levels|levels is a whole number"):
            Wavelet(*arguments)
    with pytest.raises(ValueError, match="images of 8 or more samples along each axis; got"):
        Wavelet(3)(smooth(3, 7, 20))
    with pytest.raises(ValueError, match=r"torch.uint8; got torch.float32"):
        Wavelet(1)(torch.rand(3, 8, 8))
    with pytest.raises(ValueError, match="1 or 3, height, width"):
        Wavelet(1)(torch.zeros(2, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="dict of scalar quantizers"):
        TransformCodec(Wavelet(1), {})
    with pytest.raises(ValueError, match=r"are expected here|has the shape"):
        TransformCodec(Wavelet(1), DeadZone(1.0)).decode(torch.zeros(5, 8, 8, dtype=torch.uint8))
