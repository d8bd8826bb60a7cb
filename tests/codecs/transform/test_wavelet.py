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
    """What OpenJPEG makes of the image at a lower resolution, from its finest file, and the step of ``ll`` there."""
    file = io.BytesIO()
    picture = Image.fromarray(image.movedim(0, -1).squeeze(-1).numpy())
    options = {"irreversible": kernel == "9/7", "num_resolutions": levels + 1, "mct": 1 if len(image) == 3 else 0}
    if kernel == "9/7":
        options |= {"quality_mode": "rates", "quality_layers": [1]}
    picture.save(file, "JPEG2000", **options)
    data = file.getvalue()
    start = data.index(b"\xff\x5c") + 5  # of the first step in the marker QCD
    exponent, mantissa = divmod(int.from_bytes(data[start : start + 2], "big"), 2**11)
    small = Image.open(file)
    small.reduce = reduce
    small.load()
    array = torch.from_numpy(np.array(small))
    array = array.unsqueeze(-1).movedim(-1, 0) if array.ndim == 2 else array.movedim(-1, 0)
    return array.int(), 2.0 ** (8 - exponent) * (1 + mantissa / 2**11)


def low_frequencies(image, wavelet):
    return wavelet.layout(tuple(image.shape)).split(wavelet(image))["ll"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_low_frequencies_are_those_of_openjpeg(channels, levels):
    image = smooth(channels, 32, 48)
    wavelet = Wavelet(levels, "5/3")
    theirs, _ = opened(image, "5/3", 3, levels)
    assert torch.equal(wavelet._image(low_frequencies(image, wavelet).int()).int(), theirs)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_real_low_frequencies_are_those_of_openjpeg_up_to_its_steps(channels, levels):
    """Its files of the 9/7 filter are always quantized; with its step, nothing but rounding is left."""
    image = smooth(channels, 64, 96)
    wavelet = Wavelet(levels)
    low = low_frequencies(image, wavelet)
    theirs, step = opened(image, "9/7", levels, levels)
    quantizer = DeadZone(step)
    difference = (wavelet._image(quantizer.decode(quantizer.encode(low))).int() - theirs).abs()
    assert difference.max() <= 1
    assert difference.float().mean() < 0.01
    # What the zone of zero takes off is less than a step; blue is luma and 1.772 times chroma.
    error = step * (1 + 1.772 * (channels == 3))
    assert (wavelet._image(low).int() - theirs).abs().max() <= (1 if error < 1 else 2)


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
