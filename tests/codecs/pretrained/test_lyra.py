import copy
import pickle
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch

from lossy_lightning.codecs import Lyra
from lossy_lightning.core import CodeSpec
from lossy_lightning.functional import sum_codewords
from lossy_lightning.testing import check_codec
from tests.codecs.speech import clips, some_clips

STAGES = {3200: 16, 6000: 30, 9200: 46}


@pytest.fixture
def models(data_root):
    if not (data_root / "lyra_v2").is_dir():
        pytest.skip("needs lyra_v2/ in $LOSSY_DATA")
    return data_root / "lyra_v2"


@pytest.fixture
def tokens(models):
    """Names of clips and their published tokens, made on another machine."""
    file = np.load(models / "tokens_speech_commands.npz")
    return file["names"], torch.from_numpy(file["tokens"])


def check_tokens(data_root, names, tokens):
    """Equal where the first clip shows the same kernels; elsewhere by stage, at least 99 % at the first."""
    codes = torch.cat([Lyra().encode(clips(data_root, part)) for part in np.array_split(names, -(-len(names) // 64))])
    if torch.equal(codes[0], tokens[0]):
        assert torch.equal(codes, tokens)
        return
    agreement = (codes == tokens).float().mean((0, 2))
    print("agreement by stage:", *(f"{share:.3f}" for share in agreement.tolist()))
    assert agreement[0] >= 0.99


def test_contract(models, data_root):
    check_codec(Lyra(bit_rate=6000), (1, 1300), some_clips(data_root, 3)[:, :, 4000:5300])


def test_tokens_are_the_published_ones(data_root, tokens):
    names, expected = tokens
    check_tokens(data_root, names[::66], expected[::66])


@pytest.mark.slow
def test_all_tokens_are_the_published_ones(data_root, tokens):
    check_tokens(data_root, *tokens)


def test_codebooks_are_the_published_ones(models):
    expected = torch.from_numpy(np.load(models / "codebooks.npy"))
    for bit_rate, stages in STAGES.items():
        assert torch.equal(Lyra(bit_rate=bit_rate).codebooks(), expected[:stages])


def test_indices_are_nearest_words_of_what_is_left(models, data_root):
    """The published models once more, their distances in NumPy."""
    codec = Lyra()
    clip = some_clips(data_root, 1)[0].reshape(50, 320).numpy().astype(np.float32) / 2**15
    left = codec._run("soundstream_encoder.tflite", clip)
    for words, index in zip(codec.codebooks().numpy(), codec.encode(some_clips(data_root, 1))[0], strict=True):
        distances = np.square(left[:, None] - words).sum(2)
        np.testing.assert_allclose(distances[np.arange(50), index], distances.min(1), rtol=1e-4)
        left = left - words[index]


def test_latents_are_those_of_the_quantizers_model(models):
    """The model decodes one frame after another."""
    from ai_edge_litert.interpreter import Interpreter

    decode = Interpreter(model_path=str(models / "quantizer.tflite"), num_threads=1).get_signature_runner("decode")
    code = torch.randint(0, 16, (46, 20), generator=torch.Generator().manual_seed(0))
    code[16:, ::2] = -1
    latents = sum_codewords(code, Lyra().codebooks()).T
    theirs = [decode(encoding_indices=row.int().numpy()[:, None, None])["output_0"][0, 0] for row in code.T]
    torch.testing.assert_close(latents, torch.from_numpy(np.stack(theirs)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bit_rate", STAGES)
def test_a_lower_rate_is_the_first_stages(models, data_root, bit_rate):
    signals, codec = some_clips(data_root, 2), Lyra(bit_rate=bit_rate)
    code = codec.encode(signals)
    stages = STAGES[bit_rate]
    assert torch.equal(code, Lyra().encode(signals)[:, :stages])
    spec = codec.spec((1, 16_000))
    assert (spec.shape, spec.bit_widths[0], spec.fields[0].ordinal) == ((stages, 50), 4, False)
    assert spec.num_bits == bit_rate
    unsent = torch.full((2, 46 - stages, 50), -1)
    sent = codec.decode(code, (1, 16_000))
    assert torch.equal(Lyra().decode(torch.cat([code.long(), unsent], 1), (1, 16_000)), sent)


def test_bit_rates_mix_under_one_spec(models, data_root):
    signals = some_clips(data_root, 2)
    low, high = (Lyra(bit_rate=bit_rate, num_stages=46) for bit_rate in (3200, 9200))
    code = low.encode(signals)
    assert torch.equal(code[:, :16], Lyra(bit_rate=3200).encode(signals))
    assert (code[:, 16:] == -1).all()
    assert torch.equal(high.encode(signals), Lyra().encode(signals))
    spec = CodeSpec.union(low.spec((1, 16_000)), high.spec((1, 16_000)))
    assert (spec.shape, spec.fields[0].absent, spec.high[0], spec.dtype) == ((46, 50), -1, 15, code.dtype)
    spec.check(code)
    assert torch.equal(low.codebooks(), Lyra().codebooks())
    assert torch.equal(low.decode(code), Lyra(bit_rate=3200).decode(code[:, :16]))
    assert len({Lyra().fingerprint(), low.fingerprint(), high.fingerprint()}) == 3


def test_contract_with_stages_not_sent(models, data_root):
    check_codec(Lyra(bit_rate=3200, num_stages=20), (1, 1300), some_clips(data_root, 3)[:, :, 4000:5300])


def test_more_bits_sound_more_like_the_original(models, data_root):
    """Each rate comes closer, by the difference of log spectra in dB."""
    signals = some_clips(data_root, 8)

    def distance(bit_rate):
        codec = Lyra(bit_rate=bit_rate)
        heard = codec.decode(codec.encode(signals), (1, 16_000))
        spectra = [
            torch.stft(x[:, 0].float(), 512, window=torch.hann_window(512), return_complex=True).abs().clamp(min=30)
            for x in (signals, heard)
        ]
        return float((20 * (spectra[0] / spectra[1]).log10()).abs().mean())

    assert distance(9200) < distance(3200) < 12


def test_a_clip_does_not_depend_on_the_one_before(models, data_root):
    signals, codec = some_clips(data_root, 3), Lyra()
    first = codec.encode(signals[2])
    codec.encode(signals[0])
    assert torch.equal(codec.encode(signals)[2], first)


def test_the_last_frame_is_padded(models, data_root):
    signal = some_clips(data_root, 1)[0, :, 4000:5000]
    padded = torch.cat([signal, signal[:, -1:].expand(1, 280)], 1)
    codec = Lyra(bit_rate=3200)
    assert torch.equal(codec.encode(signal), codec.encode(padded))
    assert codec.spec((1, 1000)).shape == (16, 4)
    assert codec.spec((1, None)).shape == (16, None)


def test_it_is_pickled_without_its_models(models, data_root):
    codec = Lyra()
    codec.encode(some_clips(data_root, 1))
    assert len(pickle.dumps(codec)) < 500


def test_processes_encode_alike(models, data_root):
    signals, codec = some_clips(data_root, 2), Lyra()
    with ProcessPoolExecutor(1) as pool:
        (code,) = pool.map(codec.encode, [signals.clone()])
        assert torch.equal(code, codec.encode(signals))


def test_the_fingerprint_is_of_the_models_not_of_their_folder(models, tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    for file in models.glob("*.tflite"):
        shutil.copy(file, folder)
    assert Lyra(folder).fingerprint() == Lyra().fingerprint() != Lyra(bit_rate=3200).fingerprint()
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    with (other / "lyragan.tflite").open("ab") as file:
        file.write(b"\0")
    assert Lyra(other).fingerprint() != Lyra().fingerprint()


def test_bad_input(models, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="3200, 6000, 9200 bit/s; got bit_rate=5000"):
        Lyra(bit_rate=5000)
    for num_stages in (29, 47):
        with pytest.raises(ValueError, match=f"30 stages, and there are 46; got num_stages={num_stages}"):
            Lyra(bit_rate=6000, num_stages=num_stages)
    with pytest.raises(FileNotFoundError, match=r"no .*soundstream_encoder.tflite; copy it from lyra/model_coeffs"):
        Lyra(tmp_path)
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"github.com/google/lyra"):
        Lyra()
    codec = copy.copy(Lyra(models))
    for signal in (torch.zeros(1, 320), torch.zeros(2, 320).short(), torch.zeros(1, 0).short(), torch.zeros(3).short()):
        with pytest.raises(ValueError, match="Lyra takes mono signals"):
            codec.encode(signal)
    with pytest.raises(ValueError, match="mono"):
        codec.spec((2, 16_000))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ImportError, match=r"pip install 'lossy-lightning\[tflite\]'"):
        codec.encode(torch.zeros(1, 320).short())
