"""YAMNet: its front end by definition, and the published network's outputs."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly

from lossy_lightning.nn import YAMNet, load_tflite_weights
from lossy_lightning.nn.backbones._log_mel import LogMel

PATCH, HOP = 15_600, 7_680


def log_mel(signal):
    """The published definition, in double precision: features.py and params.py of YAMNet, TensorFlow's mel matrix."""
    mels = 1127 * np.log(1 + np.arange(257) * 8000 / 256 / 700)
    low, high = (1127 * np.log(1 + np.array([125.0, 7500.0]) / 700)).tolist()
    edges = np.linspace(low, high, 66)
    weights = np.zeros((257, 64))
    for band in range(64):
        left, middle, right = edges[band : band + 3]
        weights[1:, band] = np.clip(
            np.minimum((mels - left) / (middle - left), (right - mels) / (right - middle)), 0, None
        )[1:]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([signal[start : start + 400] * window for start in range(0, len(signal) - 399, 160)])
    columns = np.log(np.abs(np.fft.rfft(frames, 512)) @ weights + 0.001)
    return np.stack([columns[start : start + 96] for start in range(0, len(columns) - 95, 48)])


def test_the_front_end_is_as_published():
    rng = np.random.default_rng(0)
    signal = np.sin(np.arange(PATCH + 2 * HOP) ** 1.4 / 99) * rng.uniform(0, 1, PATCH + 2 * HOP)
    got = LogMel()(torch.from_numpy(signal).float()[None])[0]
    assert got.shape == (3, 96, 64)
    np.testing.assert_allclose(got, log_mel(signal), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("samples", "patches"), [(1, 1), (PATCH, 1), (PATCH + 1, 2), (PATCH + HOP, 2), (40_000, 5)])
def test_sounds_of_any_length_are_filled_up_with_zeros(samples, patches):
    front, signal = LogMel(), torch.randn(1, samples)
    assert front(signal).shape == (1, patches, 96, 64)
    whole = torch.nn.functional.pad(signal, (0, PATCH + (patches - 1) * HOP - samples))
    assert torch.equal(front(signal), front(whole))


def test_padding_of_long_sounds_counts_in_no_mean():
    """Also if an example fills one patch, and another fills three."""
    torch.manual_seed(0)
    network = YAMNet((1, None), 5).eval()
    clips = [torch.randn(1, 1, size) for size in (9_000, PATCH + HOP + 1, 20_000)]
    batch = torch.cat([torch.nn.functional.pad(clip, (0, 25_000 - clip.shape[2]), value=9.0) for clip in clips])
    with torch.no_grad():
        got = network(batch, torch.tensor([[clip.shape[2]] for clip in clips]))
        torch.testing.assert_close(got, torch.cat([network(clip) for clip in clips]), rtol=1e-4, atol=1e-4)


def test_what_does_not_fit_is_told():
    with pytest.raises(ValueError, match=r"reads sounds at 16000 Hz; got sample_rate=44100: set sample_rate=16000"):
        YAMNet((1, None), 521, sample_rate=44_100)
    with pytest.raises(ValueError, match="mono"):
        YAMNet((2, None), 521)


@pytest.fixture(scope="module")
def published():
    path = Path(os.environ.get("LOSSY_DATA", "none"), "pretrained", "yamnet.tflite")
    if not path.is_file():
        pytest.skip("needs pretrained/ in $LOSSY_DATA")
    pytest.importorskip("ai_edge_litert", reason="needs lossy-lightning[tflite]")
    return path


def litert(path, clips):
    """Scores and embeddings of the published network, of one patch each."""
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the embedding is none of its outputs
        model = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
    model.allocate_tensors()
    names = {each["name"].rpartition("yamnet_frames/")[2]: each["index"] for each in model.get_tensor_details()}
    scores = model.get_output_details()[0]["index"]
    for clip in clips:
        model.set_tensor(model.get_input_details()[0]["index"], clip.numpy())
        model.invoke()
        yield [torch.from_numpy(model.get_tensor(i)[0]) for i in (scores, names["global_average_pooling2d/Mean"])]


def twenty(pattern):
    """Of every so many sounds the patch of most energy."""
    files = sorted(Path(os.environ["LOSSY_DATA"]).glob(pattern))
    if not files:
        pytest.skip(f"needs {pattern} in $LOSSY_DATA")
    for file in files[:: len(files) // 20][:20]:
        sound, rate = soundfile.read(file, dtype="float32")
        common = np.gcd(rate, 16_000)
        sound = torch.from_numpy(resample_poly(sound, 16_000 // common, rate // common).astype(np.float32))
        patches = torch.nn.functional.pad(sound, (0, max(0, PATCH - len(sound)))).unfold(0, PATCH, HOP)
        yield patches[patches.square().sum(1).argmax()].clone()


@pytest.mark.parametrize("pattern", ["SpeechCommands/*/*/*_nohash_*.wav", "esc10/**/*.ogg"], ids=["speech", "others"])
def test_published_weights_give_what_litert_gives(published, pattern):
    clips = list(twenty(pattern))
    network = YAMNet((1, None), 521).eval()
    assert load_tflite_weights(network, published, quantized=True) == []
    cosines, equal = [], 0
    for clip, (want, embedding) in zip(clips, litert(published, clips), strict=True):
        with torch.no_grad():
            got = network.scores(clip[None, None])[0, 0]
            cosines.append(torch.cosine_similarity(network.embed(clip[None, None])[0], embedding, 0))
        equal += {*got.topk(5).indices.tolist()} == {*want.topk(5).indices.tolist()}
    assert min(cosines) >= 0.995
    assert equal >= 18


def test_weights_can_be_loaded_again_and_in_batches(published):
    torch.manual_seed(0)
    network, sounds = YAMNet((1, None), 521).eval(), torch.randn(3, 1, PATCH + HOP)
    names = {*network.state_dict()}
    for _ in range(2):
        assert load_tflite_weights(network, published, quantized=True) == []
        assert {*network.state_dict()} == names
    with torch.no_grad():
        assert torch.equal(network(sounds), torch.cat([network(sound[None]) for sound in sounds]))


def test_other_tags_are_left_to_be_trained(published):
    network = YAMNet((1, None), 8)
    assert load_tflite_weights(network, published) == ["classifier.0.weight", "classifier.0.bias"]
    with pytest.raises(ValueError, match="holds another network"):
        load_tflite_weights(network, published.parent / "mobilenet_v1_0.25_128_quant.tflite")
