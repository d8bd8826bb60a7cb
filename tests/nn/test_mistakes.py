"""Numbers in place of lists, lists in place of numbers: each is told in one sentence, whichever class it is."""

import pytest
import torch

from lossy_lightning.codecs import JPEG, MP3, PCM, Lyra, Spectrogram
from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.nn import (
    MLP,
    BlockDCT,
    BlockDecoder,
    BlockEncoder,
    CodebookSum,
    CoefficientPlanes,
    ConvDecoder,
    ConvEncoder,
    ConvNet,
    DenseDecoder,
    FrequencyBatchNorm,
    FrequencyNorm,
    GDNDecoder,
    GDNEncoder,
    InverseDCT,
    LateConcat,
    Packed,
    ResidualNet,
    ResNet,
    SequenceNet,
    SpectralLines,
    UpSampling,
)

FIELDS = {"luma": (64, 4, 4), "cb": (64, 2, 2), "cr": (64, 2, 2)}
COEFFICIENTS = {"spec": JPEG(50).spec((3, 16, 16))}
INDICES = {"spec": CodeSpec.uniform((2, 4, 4), 0, 15, ordinal=False)}
BLOCKS = {"block": (2, 2), "dim": 4, "grid": (2, 2)}
LISTS = [3, 2.5, "text", ("a", "b"), {}, None]
NUMBERS = [2.5, "text", (2,), [], {}, None]
TABLES = [3, "text", ("a", "b"), {}, [[[1, 2], [3]]], torch.ones(2, 8, 8), torch.zeros(2, 8, 8).int()]


@pytest.mark.parametrize(
    ("made", "given", "names", "wrong"),
    [
        (LateConcat, {"shape": FIELDS, "num_classes": 2}, ("luma", "joint", "chroma", "depths", "widths"), LISTS),
        (LateConcat, {"shape": FIELDS, "num_classes": 2}, ("aware",), LISTS[:-1]),
        (UpSampling, {"shape": FIELDS, "num_classes": 2}, ("factors", "aware"), LISTS[:-1]),
        (UpSampling, {"shape": FIELDS, "num_classes": 2}, ("depths", "widths"), LISTS),
        (ResNet, {"shape": (3, 8, 8), "num_classes": 2}, ("depths", "widths", "strides"), LISTS),
        (ResidualNet, {"shape": (3, 8, 8), "num_classes": 2}, ("channels", "strides"), LISTS),
        (SequenceNet, {"shape": (3, 8), "num_classes": 2}, ("channels", "strides"), LISTS),
        (ConvNet, {"shape": (3, 28, 28), "num_classes": 2}, ("channels", "pool", "hidden_features"), LISTS),
        (MLP, {"shape": (3,), "num_classes": 2}, ("hidden_features",), LISTS),
        (BlockEncoder, BLOCKS, ("block", "hidden"), LISTS),
        (BlockDecoder, BLOCKS, ("block", "hidden"), LISTS),
        (DenseDecoder, BLOCKS, ("block", "hidden", "grid"), LISTS),
        (BlockEncoder, BLOCKS, ("dim", "channels"), NUMBERS),
        (BlockDecoder, BLOCKS, ("dim", "channels"), NUMBERS),
        (DenseDecoder, BLOCKS, ("dim", "channels", "flip_probability"), NUMBERS),
        (ConvEncoder, {"dim": 4}, ("hidden",), LISTS),
        (ConvDecoder, {"dim": 4}, ("hidden",), LISTS),
        (ConvEncoder, {"dim": 4}, ("dim", "channels", "dimensions"), NUMBERS),
        (ConvDecoder, {"dim": 4}, ("dim", "channels", "dimensions"), NUMBERS),
        (GDNEncoder, {"dim": 4}, ("hidden",), LISTS),
        (GDNDecoder, {"dim": 4}, ("dim", "channels", "dimensions"), NUMBERS),
        (Packed, {**INDICES, "block": (2, 2)}, ("block",), LISTS),
        (CodebookSum, INDICES, ("dim",), NUMBERS),
        (CodebookSum, INDICES, ("num_stages",), NUMBERS[:-1]),
        (FrequencyNorm, COEFFICIENTS, ("luma", "chroma"), NUMBERS),
        (FrequencyNorm, COEFFICIENTS, ("min_std",), NUMBERS[1:]),
        (FrequencyBatchNorm, COEFFICIENTS, ("luma", "chroma"), NUMBERS),
        (CoefficientPlanes, COEFFICIENTS, ("luma", "chroma", "mean_bit_width", "bit_width"), NUMBERS),
        (InverseDCT, COEFFICIENTS, ("rate",), NUMBERS[1:]),
        (BlockDCT, {"spec": PCM().spec((3, 16, 16))}, ("chroma_subsampling",), NUMBERS),
        (SpectralLines, {"spec": MP3().spec((1, 9216)), "sample_rate": 44_100}, ("lines", "sample_rate"), NUMBERS),
        (JPEG, {}, ("chroma_subsampling",), NUMBERS),
        (JPEG, {}, ("quantization_tables",), TABLES),
        (PCM, {}, ("bit_width",), NUMBERS),
        (Lyra, {}, ("bit_rate",), NUMBERS),
        (Spectrogram, {}, ("n_fft", "hop_length"), NUMBERS),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else "-".join(each) if isinstance(each, tuple) else "",
)
def test_arguments_of_another_kind_are_told(made, given, names, wrong):
    for name in names:
        for value in wrong:
            with torch.device("meta") if made in (ResNet, LateConcat, UpSampling) else torch.device("cpu"):
                try:
                    made(**{**given, name: value})
                except InputError:
                    continue
            pytest.fail(f"{made.__name__}({name}={value!r}) is taken")
