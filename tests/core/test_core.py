import io
import subprocess
import sys

import pytest
import torch
from torch import nn

from lossy_lightning.codecs import PCM, VQ, Decoded
from lossy_lightning.core import (
    Codec,
    CodeSpec,
    CodeStatistics,
    Field,
    Stem,
)


def spec(low=(0,), high=(15,), ordinal=True, grid=(2, 3)):
    return CodeSpec([Field("code", low, high, ordinal=ordinal)], grid)


def test_a_uniform_spec_gives_all_channels_one_range():
    made = CodeSpec.uniform((3, 4, None), -2, 5, ordinal=True)
    assert made == CodeSpec([Field("code", (-2,) * 3, (5,) * 3, True)], (4, None))
    assert (made.shape, made.low, made.high) == ((3, 4, None), (-2,) * 3, (5,) * 3)


@pytest.mark.parametrize(("shape", "low", "high"), [((None, 4), 0, 1), ((3, 4), 1, 0)])
def test_a_uniform_spec_needs_channels_and_a_range(shape, low, high):
    with pytest.raises(ValueError, match=r"needs (a number of channels; got shape=|low <= high for each)"):
        CodeSpec.uniform(shape, low, high, ordinal=True)


def test_a_union_holds_the_codes_of_all():
    got = CodeSpec.union(spec((0, -5), (7, 5)), spec((1, -3), (9, 3)), spec((0, -9), (1, -9)))
    assert got == spec((0, -9), (9, 5))
    assert CodeSpec.union(got) == got


def test_a_union_of_codebook_indices_of_one_size():
    indices = spec(ordinal=False)
    assert CodeSpec.union(indices, indices) == indices


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (spec(grid=(3, 2)), "agree in fields and grid; got .*2, 3.* and .*3, 2"),
        (spec(ordinal=False), "agree in fields; got"),
        (spec((0, 0), (15, 15)), "agree in fields; got"),
    ],
)
def test_a_union_of_different_shapes_or_kinds_is_refused(other, message):
    with pytest.raises(ValueError, match=message):
        CodeSpec.union(spec(), other)


def test_a_union_of_unequal_codebooks_is_refused():
    with pytest.raises(ValueError, match="categories must be of one size"):
        CodeSpec.union(spec(ordinal=False), spec(high=(31,), ordinal=False))


@pytest.mark.parametrize(
    ("low", "high", "levels", "bits"),
    [(0, 0, 1, 0), (0, 1, 2, 1), (-1, 1, 3, 2), (0, 255, 256, 8), (0, 256, 257, 9), (-1024, 1023, 2048, 11)],
)
def test_levels_and_bit_widths(low, high, levels, bits):
    assert spec((low,), (high,)).levels == (levels,)
    assert spec((low,), (high,)).bit_widths == (bits,)


def test_the_bits_of_the_container():
    assert spec((0, 0, 3), (15, 2, 3)).num_bits == (4 + 2 + 0) * 2 * 3
    assert spec(grid=()).num_bits == 4
    with pytest.raises(ValueError, match=r"\(1, 2, None\) vary in size"):
        _ = spec(grid=(2, None)).num_bits


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 255, torch.uint8),
        (-1, 127, torch.int8),
        (-128, 127, torch.int8),
        (-1, 128, torch.int16),
        (0, 256, torch.int16),
        (-32768, 32767, torch.int16),
        (0, 32768, torch.int32),
        (0, 2**31, torch.int64),
    ],
)
def test_the_smallest_dtype(low, high, dtype):
    assert spec((low,), (high,)).dtype is dtype
    assert spec((low, 0), (high, 0)).dtype is dtype


def test_codes_of_the_spec_pass():
    own = spec((0, -3), (1, 3), grid=(None, 2))
    code = torch.tensor([[[0, 1]], [[-3, 3]]])
    for right in (code, code.to(torch.int8), code[None], code[None, None], code[:, :0], code[None][:0]):
        own.check(right)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.complex64])
def test_codes_of_no_integer_dtype_are_refused(dtype):
    with pytest.raises(ValueError, match=f"integer dtype; got {dtype}: encode the signal with a codec"):
        spec().check(torch.zeros(1, 2, 3, dtype=dtype))


@pytest.mark.parametrize("shape", [(2, 3), (3,), (), (2, 2, 3), (1, 3, 2), (5, 1, 2, 4)])
def test_codes_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="are expected here; got"):
        spec().check_layout(torch.zeros(shape, dtype=torch.uint8))


def test_the_refusal_names_both_shapes():
    with pytest.raises(ValueError, match=r"\(\.\.\., 1, 2, any\) are expected here; got \(1, 3, 7\)"):
        spec(grid=(2, None)).check_layout(torch.zeros(1, 3, 7, dtype=torch.uint8))


@pytest.mark.parametrize("value", [-4, 4])
def test_codes_out_of_range_are_refused_by_channel(value):
    own = spec((0, -3), (1, 3), grid=(2,))
    code = torch.zeros(5, 2, 2, dtype=torch.int16)
    code[3, 1, 1] = value
    own.check_layout(code)
    with pytest.raises(ValueError, match=f"channel 1 of field 'code' ranges from -3 to 3; got {min(value, 0)} to"):
        own.check(code)


def test_specs_load_weights_only():
    file = io.BytesIO()
    torch.save({"spec": spec()}, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)["spec"]
    assert type(loaded) is CodeSpec
    assert loaded == spec()
    assert loaded.levels == (16,)


class Table(Codec):
    idempotent = True

    def __init__(self, table, name="a", inner=None):
        self.table = table
        self.name = name
        self.inner = inner

    def encode(self, signal):
        return signal

    def decode(self, code, shape=None):
        return code

    def spec(self, shape):
        return CodeSpec.uniform(shape, 0, 255, ordinal=True)


def test_the_text_of_a_codec_is_the_call_that_makes_it():
    assert repr(PCM(16)) == "PCM(bit_width=16)"
    assert repr(Decoded(VQ((4,), 3))) == "Decoded(codec=VQ(block=(4), levels=3, seed=0), view=PCM(bit_width=8))"
    assert repr(Table({"b": (1, None)}, "x")) == "Table(table={'b': (1, None)}, name='x', inner=None)"


def test_the_fingerprint_names_the_class_in_full():
    assert PCM(16).fingerprint() == "lossy_lightning.codecs.pcm.PCM(bit_width=16)"


def test_lists_and_tuples_make_the_same_codec():
    assert Table([1, [2]]).fingerprint() == Table((1, (2,))).fingerprint()
    assert VQ([4, 4], 16).fingerprint() == VQ((4, 4), 16).fingerprint()


@pytest.mark.parametrize("make", [torch.clone, torch.Tensor.numpy, nn.Parameter], ids=["tensor", "array", "parameter"])
def test_fingerprints_tell_tensors_apart_by_value_dtype_and_shape(make):
    ones = torch.ones(2, 3)
    tables = [ones, ones * 2, ones.double(), ones.view(3, 2), ones.flatten()]
    prints = [Table(make(table)).fingerprint() for table in tables]
    assert len(set(prints)) == len(tables)
    assert prints == [Table(make(table.clone())).fingerprint() for table in tables]


def test_fingerprints_do_not_depend_on_memory_layout():
    table = torch.arange(6).view(2, 3)
    assert Table(table).fingerprint() == Table(table.T.contiguous().T).fingerprint()


def test_fingerprints_tell_modules_and_inner_codecs_apart():
    torch.manual_seed(0)
    layers = nn.Linear(2, 2), nn.Linear(2, 2)
    assert Table(layers[0]).fingerprint() != Table(layers[1]).fingerprint()
    assert Table(1, inner=Table(1)).fingerprint() != Table(1, inner=Table(2)).fingerprint()


def test_fingerprints_tell_codebooks_apart():
    blocks = torch.arange(8, dtype=torch.uint8).view(8, 1, 1, 1)
    codecs = [VQ((1, 1), 8), VQ((1, 1), 8).fit([blocks]), VQ((1, 1), 8).fit([blocks + 1])]
    assert len({codec.fingerprint() for codec in codecs}) == 3
    assert len({Decoded(codec).fingerprint() for codec in codecs}) == 3
    assert len({repr(codec) for codec in codecs}) == 1


def test_fingerprints_are_the_same_in_another_process():
    codec = "Decoded(VQ((1, 1), 4).fit([torch.arange(4).view(4, 1, 1, 1).byte()]))"
    script = f"import torch; from lossy_lightning.codecs import *; print({codec}.fingerprint())"
    theirs = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    mine = Decoded(VQ((1, 1), 4).fit([torch.arange(4).view(4, 1, 1, 1).byte()])).fingerprint()
    assert theirs.strip() == mine


def test_arguments_that_are_not_kept_are_named():
    class Forgetful(PCM):
        def __init__(self, quality, depth):
            super().__init__()

    with pytest.raises(TypeError, match=r"Forgetful keeps no attribute .*\['quality', 'depth'\]; store each"):
        Forgetful(1, 2).fingerprint()


def test_arguments_without_a_text_are_refused():
    with pytest.raises(TypeError, match=r"<object object at 0x\w+> has no text of its own; give its class a __repr__"):
        Table(object()).fingerprint()


def test_stems_adapt_to_nothing_by_default():
    class Identity(Stem):
        def forward(self, code, grid_size=None):
            return code.float()

    assert Identity(PCM().spec((1, 4, 4))).adapt([PCM()], None, CodeStatistics(torch.zeros(1), torch.ones(1))) is None
