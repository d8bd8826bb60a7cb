import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.augmentation import BitFlip, StageDropout
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.functional import sum_codewords

STAGES = CodeSpec([Field("stages", (0,) * 8, (2,) * 8, ordinal=False, absent=-1)], (10,))
"""Eight stages of three words."""


def adapted(augmentation, spec=STAGES):
    augmentation.adapt([], spec, None)
    return augmentation


def test_each_bit_flips_with_the_probability():
    torch.manual_seed(0)
    code = torch.randint(0, 16, (200, 1, 7, 7), dtype=torch.uint8)
    flipped = BitFlip(0.1, bit_width=4)(code) ^ code
    assert int(flipped.max()) < 16
    for bit in range(4):
        assert ((flipped >> bit) & 1).float().mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_dtype_and_shape_stay_and_the_code_is_left_alone(dtype):
    code = torch.full((2, 3, 5), 6, dtype=dtype)
    noisy = BitFlip(1.0, bit_width=4)(code)
    assert noisy.dtype == dtype
    assert noisy.eq(9).all()
    assert code.eq(6).all()
    assert torch.equal(BitFlip(0.0, bit_width=4)(code), code)


@pytest.mark.parametrize(("probability", "bit_width"), [(-0.1, 4), (1.1, 4), (0.5, 0), (0.5, 9)])
def test_mistakes(probability, bit_width):
    with pytest.raises(ValueError, match=r"(probability|bit_width) is .*; got"):
        BitFlip(probability, bit_width)


def test_the_last_stages_of_some_codes_are_not_sent():
    code = torch.randint(0, 3, (400, 8, 10), dtype=torch.int8)
    got = adapted(StageDropout(probability=0.5, min_stages=3))(code)
    assert got.dtype == code.dtype
    sent = (got != -1).sum(1)
    assert (sent == sent[:, :1]).all()
    assert set(sent.unique().tolist()) == set(range(3, 9))
    for before, after, stages in zip(code, got, sent[:, 0].tolist(), strict=True):
        assert torch.equal(after[:stages], before[:stages])
        assert (after[stages:] == -1).all()
    # Of the half that is drawn, a sixth keeps all eight.
    assert 0.5 < (sent[:, 0] == 8).float().mean() < 0.67
    assert torch.equal(adapted(StageDropout(probability=0.0))(code), code)


def test_words_not_sent_are_zero_in_the_sum():
    code = torch.randint(0, 3, (20, 8, 10), dtype=torch.int8)
    codebooks = torch.arange(1.0, 25).view(8, 3, 1)
    dropped = adapted(StageDropout(probability=1.0, min_stages=1))(code)
    words = codebooks[torch.arange(8).view(1, 8, 1), code.long().clamp(min=0)][..., 0]
    torch.testing.assert_close(sum_codewords(dropped, codebooks, absent=-1)[:, 0], (words * (dropped >= 0)).sum(1))


def test_other_fields_stay_and_stages_go_cell_by_cell():
    fields = [
        Field("kind", (0,), (1,), ordinal=False),
        Field("stages", (0, 0, 0), (9, 9, 9), ordinal=False, cells=(2,), absent=12),
    ]
    spec = CodeSpec(fields, (4,))
    code = torch.randint(0, 2, (200, 7, 4))
    got = adapted(StageDropout(probability=1.0, min_stages=1), spec)(code)
    spec.check(got)
    assert torch.equal(got[:, 0], code[:, 0])
    sent = (spec.split(got)["stages"] != 12).sum(1)
    assert (sent == sent[:, :1]).all()
    assert set(sent.unique().tolist()) == {1, 2, 3}


def test_stages_are_dropped_only_if_codes_can_say_so():
    whole = CodeSpec.uniform((1, 3, 10), 0, 99, ordinal=False)
    with pytest.raises(
        MisconfigurationException, match="'code' of 1 channels, absent=None: set the codec's num_stages"
    ):
        adapted(StageDropout(min_stages=2), whole)
    with pytest.raises(MisconfigurationException, match="9 or more stages"):
        adapted(StageDropout(min_stages=9))
    two = CodeSpec([field._replace(name=name) for field in STAGES.fields for name in ("a", "b")], (10,))
    with pytest.raises(MisconfigurationException, match=r"one field of 4 or more stages .* have 'a' of 8 .*, 'b' of 8"):
        adapted(StageDropout(), two)
    with pytest.raises(MisconfigurationException, match="StageDropout does not know the fields of the codes"):
        StageDropout()(torch.zeros(1, 8, 10))
    with pytest.raises(ValueError, match="probability is a number from 0 to 1"):
        StageDropout(probability=1.5)
    with pytest.raises(ValueError, match="min_stages is a whole number of at least 1; got 0"):
        StageDropout(min_stages=0)
