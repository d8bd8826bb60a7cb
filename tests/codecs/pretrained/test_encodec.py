import pickle
import sys
import warnings
from urllib.error import URLError

import pytest
import torch

from lossy_lightning.codecs import EnCodec
from lossy_lightning.codecs.pretrained import encodec as module
from lossy_lightning.testing import check_codec


def sound(count=2, samples=12_000, seed=0):
    """Noise and tones, ``(N, 1, samples)``."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(samples) / 24_000
    hertz = 200 + 3000 * torch.rand(count, 1, 1, generator=generator)
    loudness = torch.rand(count, 1, 1, generator=generator)
    noise = 0.1 * torch.randn(count, 1, samples, generator=generator)
    return (2**14 * (loudness * torch.sin(2 * torch.pi * hertz * time) + noise)).to(torch.int16)


def package(bandwidth):
    """The package's own model with the same random weights."""
    from encodec import EncodecModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = EncodecModel.encodec_model_24khz(pretrained=False)
    model.load_state_dict(module._load(None).state_dict())
    model.set_target_bandwidth(bandwidth)
    return model.eval()


def test_contract():
    check_codec(EnCodec(pretrained=False), (1, 1500), sound(2, 1500))


@pytest.mark.parametrize("bandwidth", [1.5, 6.0])
def test_codes_and_signals_are_the_packages(bandwidth):
    codec, model = EnCodec(bandwidth, pretrained=False), package(bandwidth)
    signals = sound(4)
    code = codec.encode(signals)
    stages = round(bandwidth / 0.75)
    assert code.shape == (4, stages, 38)
    assert len(code.unique()) > 100
    with torch.no_grad():
        for signal, one in zip(signals, code, strict=True):
            frames = model.encode(signal[None].float() / 2**15)
            assert torch.equal(frames[0][0][0], one.long())
            heard = (model.decode(frames)[0] * 2**15).round().clamp(-(2**15), 2**15 - 1)
            assert torch.equal(codec.decode(one, (1, 12_000)).float(), heard[:, :12_000])


def test_codebooks_and_spec():
    codec = EnCodec(3.0, pretrained=False)
    layers = module._load(None).quantizer.vq.layers
    assert codec.codebooks().shape == (4, 1024, 128)
    assert torch.equal(codec.codebooks()[3], layers[3]._codebook.embed)
    spec = codec.spec((1, 24_000))
    assert (spec.shape, set(spec.bit_widths), spec.fields[0].ordinal) == ((4, 75), {10}, False)
    assert spec.num_bits == 3000
    assert codec.spec((1, None)).shape == (4, None)


def test_a_stage_not_sent_adds_nothing():
    code = EnCodec(3.0, pretrained=False).encode(sound())
    less = code.clone()
    less[:, 2:] = -1
    codec = EnCodec(3.0, pretrained=False)
    assert torch.equal(codec.decode(less), EnCodec(1.5, pretrained=False).decode(code[:, :2]))
    assert not torch.equal(codec.decode(less), codec.decode(code))


def test_bandwidths_mix_under_one_spec():
    low, high = (EnCodec(bandwidth, pretrained=False, num_stages=4) for bandwidth in (1.5, 3.0))
    code = low.encode(sound())
    assert torch.equal(code[:, :2], EnCodec(1.5, pretrained=False).encode(sound()))
    assert (code[:, 2:] == -1).all()
    assert torch.equal(high.encode(sound()), EnCodec(3.0, pretrained=False).encode(sound()))
    assert low.spec((1, 12_000)) == high.spec((1, 12_000))
    assert low.spec((1, 12_000)).fields[0].absent == -1
    low.spec((1, 12_000)).check(code)
    assert torch.equal(low.codebooks(), high.codebooks())
    assert len({low.fingerprint(), high.fingerprint(), EnCodec(1.5, pretrained=False).fingerprint()}) == 3
    with pytest.raises(ValueError, match=r"3\.0 kbit/s are 4 stages, and there are 32; got num_stages=3"):
        EnCodec(3.0, num_stages=3)


def test_random_weights_are_always_the_same_and_leave_the_generator_alone():
    state = torch.get_rng_state()
    first = {name: value.clone() for name, value in module._load(None).state_dict().items()}
    module._load.cache_clear()
    again = module._load(None).state_dict()
    assert all(torch.equal(again[name], value) for name, value in first.items())
    assert torch.equal(torch.get_rng_state(), state)
    assert len(pickle.dumps(EnCodec(pretrained=False))) < 500


def test_fingerprints():
    prints = [EnCodec(), EnCodec(3.0), EnCodec(pretrained=False), EnCodec(repository="elsewhere"), EnCodec(12)]
    names = [codec.fingerprint() for codec in prints]
    assert len(set(names)) == 4
    assert names[0] == names[3]


def test_weights_are_fetched_in_prepare_only(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    wanted = []

    def download(url, path, digest, progress):
        wanted.append((url, digest))
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    sentence = r"not at .*checkpoints.*encodec_24khz-d7cc33bc.th; download https://.* \(CC-BY-NC 4.0\) and put the file"
    for call in (lambda: EnCodec().encode(sound()), lambda: EnCodec().codebooks()):
        with pytest.raises(FileNotFoundError, match=sentence):
            call()
    assert not wanted
    with pytest.raises(FileNotFoundError, match=sentence):
        EnCodec().prepare()
    assert wanted == [("https://dl.fbaipublicfiles.com/encodec/v0/encodec_24khz-d7cc33bc.th", "d7cc33bc")]
    EnCodec(pretrained=False).prepare()
    with pytest.raises(FileNotFoundError, match="put the file"):
        EnCodec(repository=tmp_path).prepare()
    assert len(wanted) == 1


def test_weights_come_from_the_repository(tmp_path, monkeypatch):
    """A file of other weights, under the name that its hash asks for."""
    state = package(1.5).state_dict()
    for layer in range(32):
        state[f"quantizer.vq.layers.{layer}._codebook.embed"] = torch.full((1024, 128), float(layer))
    torch.save(state, tmp_path / module._WEIGHTS)
    monkeypatch.setattr("encodec.model._check_checksum", lambda path, checksum: None)
    codec = EnCodec(repository=tmp_path)
    codec.prepare()
    assert codec.codebooks()[:, 0, 0].tolist() == [0.0, 1.0]
    module._load.cache_clear()


def test_bad_input(monkeypatch):
    with pytest.raises(ValueError, match=r"1.5, 3.0, 6.0, 12.0, 24.0 kbit/s; got bandwidth=5"):
        EnCodec(5)
    codec = EnCodec(pretrained=False)
    for signal in (torch.zeros(1, 320), torch.zeros(2, 320).short(), torch.zeros(1, 0).short(), torch.zeros(3).short()):
        with pytest.raises(ValueError, match="EnCodec takes mono signals"):
            codec.encode(signal)
    with pytest.raises(ValueError, match="mono"):
        codec.spec((2, 16_000))
    module._load.cache_clear()
    monkeypatch.setitem(sys.modules, "encodec.model", None)
    with pytest.raises(ImportError, match=r"CC-BY-NC 4.0.*pip install 'lossy-lightning\[encodec\]'"):
        codec.encode(sound())
