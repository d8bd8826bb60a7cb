import warnings
from collections import Counter

import pytest
import torch
from torch import Tensor, nn
from vector_quantize_pytorch import LFQ

from lossy_lightning.codecs import (
    JPEG,
    PCM,
    VQ,
    VQVAE,
    Decoded,
    EnCodec,
    Lyra,
    Relabeled,
    SimilarityLabels,
    Spectrogram,
    TransformCodec,
    Uniform,
)
from lossy_lightning.core import Codec, CodeSpec
from lossy_lightning.nn import BlockDecoder, BlockEncoder
from lossy_lightning.profiling import count_encoding_macs

IMAGES = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SOUNDS = torch.randint(-3000, 3000, (4, 1, 16_000), dtype=torch.int16, generator=torch.Generator().manual_seed(0))
KMEANS = 49 * 16 * 16  # blocks, words, pixels of a block


def vq() -> VQ:
    return VQ((4, 4), levels=16).fit([IMAGES])


def test_what_was_learned_counts():
    assert count_encoding_macs(vq(), (1, 28, 28)) == {32: KMEANS}
    assert count_encoding_macs(Relabeled(vq(), SimilarityLabels()).fit([IMAGES]), (1, 28, 28)) == {32: KMEANS}
    assert count_encoding_macs(Decoded(vq()), (1, 28, 28)) == {32: KMEANS}
    encoder = VQVAE(BlockEncoder((4, 4), dim=4), LFQ(dim=4), BlockDecoder((4, 4), dim=4))
    assert count_encoding_macs(encoder, (1, 28, 28)) == {32: 62_720}


def test_transforms_of_learned_codes_count_without_fourier_transforms():
    codec = TransformCodec(Spectrogram(), VQ((2, 2), 16)).fit([SOUNDS])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert count_encoding_macs(codec, (1, 16_000)) == {32: 64 * 64 * 16 * 4}


@pytest.mark.parametrize("codec", [PCM(), JPEG(), Decoded(JPEG()), TransformCodec(Spectrogram(), Uniform(8, -7, 4))])
def test_nothing_learned_is_nothing(codec):
    shape = (1, 16_000) if codec.sample_rate or isinstance(codec, TransformCodec) else (3, 16, 16)
    assert count_encoding_macs(codec, shape) == Counter()


def test_a_neural_codec_in_torch_counts_its_network():
    codec = EnCodec(pretrained=False)
    stages, frames = codec.spec((1, 3200)).shape
    expected = stages * frames * 1024 * 128  # words, dimensions of the quantizer
    encoder = codec._model().encoder

    def count(module, _, output):
        nonlocal expected
        if isinstance(module, nn.Conv1d):
            expected += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.LSTM):
            expected += frames * sum(w.numel() for name, w in module.named_parameters() if name.startswith("weight"))

    hooks = [module.register_forward_hook(count) for module in encoder.modules()]
    codec.encode(torch.zeros(1, 3200, dtype=torch.int16))
    for hook in hooks:
        hook.remove()
    assert count_encoding_macs(codec, (1, 3200)) == {32: expected}


def test_lyra_counts_its_published_models(data_root):
    if not (data_root / "lyra_v2").is_dir():
        pytest.skip("needs lyra_v2/ in $LOSSY_DATA")
    pytest.importorskip("ai_edge_litert")
    frame = count_encoding_macs(Lyra(bit_rate=9200), (1, 320))
    second = count_encoding_macs(Lyra(bit_rate=9200), (1, 16_000))
    assert second == {width: 50 * count for width, count in frame.items()}
    assert second.total() == 102_105_600
    fewer = count_encoding_macs(Lyra(bit_rate=3200), (1, 16_000))
    assert second[32] - fewer[32] == 50 * (46 - 16) * 16 * 64
    assert set(second) == {8, 32}
    words = TransformCodec(Spectrogram(), VQ((2, 2), 16)).fit([SOUNDS])
    seen = count_encoding_macs(Decoded(Lyra(bit_rate=9200), words), (1, 16_000))
    assert seen.total() == 102_105_600 + 99_750_400 + 64 * 64 * 16 * 4
    # a pipeline that decodes first pays for both
    both = count_encoding_macs(Decoded(Lyra(bit_rate=9200), PCM(bit_width=16)), (1, 16_000))
    assert both.total() - second.total() == 99_750_400


class Elsewhere(Codec):
    """Computes where torch does not see it."""

    idempotent = True
    learned = True

    def __init__(self, told: int = 0) -> None:
        self.told = told

    def encode(self, signal: Tensor) -> Tensor:
        return torch.from_numpy(signal.numpy().copy())

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        return code

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        return PCM().spec(shape)

    def encoding_macs(self, shape: tuple[int, ...], decoded: bool = False) -> Counter[int]:
        return Counter({8: self.told})


def test_what_cannot_be_seen_is_told_or_named():
    assert count_encoding_macs(Elsewhere(7), (1, 4, 4)) == {8: 7}
    with pytest.warns(UserWarning, match="not made by torch"):
        assert count_encoding_macs(Elsewhere(), (1, 4, 4)) == Counter()
