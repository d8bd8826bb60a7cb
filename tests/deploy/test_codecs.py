"""Codecs in the files of networks."""

import pytest
import torch
from torch import nn
from vector_quantize_pytorch import LFQ

from lossy_lightning.codecs import JPEG, PCM, VQ, VQVAE, Spectrogram, TransformCodec, Uniform
from lossy_lightning.core import CodeSpec, Field, InputError, SignalForm
from lossy_lightning.deploy import PackedNetwork, attach_codec, network_codec, network_form, pack
from lossy_lightning.nn import MLP, BlockDecoder, BlockEncoder, Scale

FORM = SignalForm((1, 4, 4))


class Mine(PCM):
    """A codec that is not of the package."""


class Sums(nn.Module):
    """A network of one layer, for codes of any shape."""

    def __init__(self, spec):
        super().__init__()
        self.layer = nn.Linear(spec.shape[0], 2)

    def forward(self, code):
        return self.layer(code.float().flatten(2).mean(2))


@pytest.fixture
def network():
    spec = PCM().spec((1, 4, 4))
    return pack(nn.Sequential(Scale(spec), MLP((1, 4, 4), 3)), spec)


@pytest.mark.parametrize(
    ("codec", "shape"),
    [
        (PCM(), (1, 4, 4)),
        (JPEG(quality=30, chroma_subsampling="4:4:4"), (3, 16, 16)),
        (VQ((2, 2), 4).fit([torch.randint(0, 256, (9, 1, 8, 8), dtype=torch.uint8)]), (1, 4, 4)),
        (TransformCodec(Spectrogram(), Uniform(4, low=0.0, high=1.0)), (1, 1000)),
    ],
    ids=lambda given: type(given).__name__,
)
def test_a_file_makes_the_codec_again(codec, shape, tmp_path):
    spec, form = codec.spec(shape), SignalForm(shape, cropped=True)
    attach_codec(pack(Sums(spec), spec), codec, form).save(tmp_path / "file")
    loaded = PackedNetwork.load(tmp_path / "file")
    assert network_codec(loaded).fingerprint() == codec.fingerprint()
    assert network_form(loaded) == form
    assert network_form(attach_codec(loaded, codec, form)) == form  # the file keeps what codecs are held against


def test_a_codec_of_ones_own_is_passed(network, tmp_path):
    attach_codec(network, Mine(), FORM).save(tmp_path / "file")
    loaded = PackedNetwork.load(tmp_path / "file")
    with pytest.raises(ValueError, match=r"Mine, which is not of this package; give the codec"):
        network_codec(loaded)
    own = Mine()
    assert network_codec(loaded, own) is own


def test_class_names_are_held_against_the_logits(network, tmp_path):
    spec, model = PCM().spec((1, 4, 4)), Sums(PCM().spec((1, 4, 4)))
    for classes, told in (
        (["a"], "got 1 names, 1 different ones, for 2 logits"),
        ("ab", "a list"),
        (["a", "a"], "1 d"),
    ):
        with pytest.raises(InputError, match=told):
            pack(model, spec, classes)
    assert pack(model, spec, ["a", "b"]).classes == ("a", "b")
    network.classes = ("a", "b")
    network.save(tmp_path / "file")
    with pytest.raises(ValueError, match="names 2 classes, but its network makes 3 logits"):
        PackedNetwork.load(tmp_path / "file")


def test_a_varying_grid_is_told_in_short():
    spec = JPEG().spec((3, None, None))
    with pytest.raises(InputError, match=r"codes of one size; got shape \(384, None, None\)") as raised:
        pack(Sums(spec), spec)
    assert len(str(raised.value)) < 200


def test_a_file_runs_no_other_code(network):
    for path in ("os.system", "lossy_lightning.deploy.packing.torch", "lossy_lightning.core.errors.nothing"):
        network.codec = {"class": path, "arguments": {}}
        with pytest.raises(ValueError, match="names"):
            network_codec(network)


def test_a_network_without_codec_says_so(network):
    with pytest.raises(ValueError, match="does not say which codec"):
        network_codec(network)
    with pytest.raises(ValueError, match="does not say what signals"):
        network_form(network)


@pytest.mark.parametrize(
    ("codec", "form", "told"),
    [
        (VQ((2, 2), 4), FORM, r"VQ\(block=\(2, 2\), levels=4.*\) is not fitted; give the one that made"),
        (PCM(), SignalForm((3, 4, 4)), "PCM does not make this network's codes: field 'code' has 3 channels; the netw"),
        (
            PCM(),
            SignalForm((1, 4, 8)),
            "PCM does not make .*: they are of shape 1 x 4 x 8; the network reads 1 x 4 x 4",
        ),
        (PCM(), SignalForm((1, None, 4)), "they are of shape 1 x any x 4; the network reads 1 x 4 x 4"),
        (PCM(16), FORM, "field 'code' has values -32768 to 32767; the network reads 0 to 255"),
        (JPEG(), SignalForm((3, 16, 16)), "its fields are luma, cb, cr; those of the network are code"),
        (PCM(), (1, 4, 4), "form=data.signal_form; got PCM and tuple"),
        ("PCM", FORM, "got str and SignalForm"),
    ],
    ids=["unfitted", "channels", "size", "sizes", "range", "fields", "no form", "no codec"],
)
def test_a_codec_that_makes_other_codes_is_refused(codec, form, told, network):
    with pytest.raises(InputError, match=told):
        attach_codec(network, codec, form)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ordinal": False}, "has ordered values; the network reads categories"),
        ({"absent": -1}, "has no value for what is absent; the network reads -1 for what is absent"),
        ({"high": (99,)}, "has values 0 to 255; the network reads 0 to 99"),
        ({"high": (999,)}, None),
    ],
    ids=["kind", "absent", "narrower", "wider"],
)
def test_the_first_difference_of_a_field_is_told(change, told):
    spec = CodeSpec([Field("code", (0,), (255,), True)._replace(**change)], (4, 4))
    packed = pack(Sums(spec), spec)
    if told is None:
        assert attach_codec(packed, PCM(), FORM).codec["class"].endswith("PCM")
        return
    with pytest.raises(InputError, match=told):
        attach_codec(packed, PCM(), FORM)


def test_a_codec_made_of_modules_is_passed(tmp_path):
    codec = VQVAE(BlockEncoder((2, 2), dim=4), LFQ(dim=4), BlockDecoder((2, 2), dim=4))
    spec = codec.spec((1, 4, 4))
    attach_codec(pack(Sums(spec), spec), codec, FORM).save(tmp_path / "file")
    loaded = PackedNetwork.load(tmp_path / "file")
    assert network_form(loaded) == FORM
    with pytest.raises(InputError, match=r"VQVAE, not what it is made of; give the codec"):
        network_codec(loaded)
    assert network_codec(loaded, codec) is codec
