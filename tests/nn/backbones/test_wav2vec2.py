"""wav2vec 2.0, as torchaudio has it."""

from urllib.error import URLError

import pytest
import torch
from torchaudio import pipelines

from lossy_lightning.nn import Wav2Vec2
from tests.nn.architectures import small_wav2vec2


def test_features_are_torchaudios_and_padding_counts_in_no_mean():
    torch.manual_seed(0)
    network = small_wav2vec2((1, None), 3).eval()
    clips = [torch.randn(1, 1, size) for size in (900, 1_600)]
    batch = torch.cat([torch.nn.functional.pad(clip, (0, 1_600 - clip.shape[2]), value=9.0) for clip in clips])
    with torch.no_grad():
        got = network(batch, torch.tensor([[900], [1_600]]))
        torch.testing.assert_close(got, torch.cat([network(clip) for clip in clips]))
        last = network.network.extract_features(clips[0][:, 0])[0][-1]
        torch.testing.assert_close(network.embed(clips[0]), last.mean(1))
    assert network.embed(torch.zeros(1, 1, 5)).isfinite().all()


def test_the_bundle_is_loaded_or_told(monkeypatch):
    monkeypatch.setattr(pipelines.Wav2Vec2Bundle, "get_model", lambda self, **_: small_wav2vec2((1, None), 2).network)
    assert Wav2Vec2((1, None), 4)(torch.zeros(1, 1, 800)).shape == (1, 4)

    def offline(self, **_):
        raise URLError("no network")

    monkeypatch.setattr(pipelines.Wav2Vec2Bundle, "get_model", offline)
    with pytest.raises(
        FileNotFoundError, match=r"weights of WAV2VEC2_BASE are not in .*wav2vec2_fairseq_base_ls960.pth"
    ):
        Wav2Vec2((1, None), 4)
    with pytest.raises(ValueError, match=r"bundle is one of .*WAV2VEC2_BASE.*; got 'BASE'"):
        Wav2Vec2((1, None), 4, "BASE")
    with pytest.raises(ValueError, match="reads sounds at 16000 Hz; got sample_rate=8000"):
        Wav2Vec2((1, None), 4, sample_rate=8_000)
    with pytest.raises(ValueError, match="mono"):
        Wav2Vec2((2, None), 4)
