"""Augmentations of codes of sound, against loops over the examples of a batch."""

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.augmentation import (
    Chain,
    FrequencyMask,
    FrequencyStretch,
    TimeMask,
    TimeShift,
)
from lossy_lightning.codecs import PCM, VQ
from lossy_lightning.core import Codec, CodeSpec, Field


class Cells(Codec):
    """Sounds as time-frequency cells of 3 rows, 100 samples each; silence is coded as 5, 6, 7, its edges as 9."""

    sample_rate = 1000
    idempotent = False

    def encode(self, signal):
        frames = signal.shape[-1] // 100
        code = torch.tensor([5, 6, 7])[:, None].expand(1, 3, frames).clone()
        code[..., 0] = code[..., -1] = 9
        return code

    def decode(self, code, shape=None):
        raise NotImplementedError

    def spec(self, shape):
        return CodeSpec.uniform((1, 3, shape[-1] // 100), 0, 99, ordinal=False)


class Residual(Cells):
    """Two stages, of which any may be missing."""

    def encode(self, signal):
        return torch.full((2, signal.shape[-1] // 100), 3)

    def spec(self, shape):
        return CodeSpec.uniform((2, shape[-1] // 100), 0, 15, ordinal=False, absent=-1)


def adapted(augmentation, codec):
    augmentation.adapt([codec], codec.spec((1, 1000)), None)
    return augmentation


def cells(count=64, frames=20):
    """Each cell has a value of its own, between 10 and 99."""
    return (10 + torch.arange(3 * frames).view(1, 1, 3, frames)).repeat(count, 1, 1, 1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_each_code_is_moved_by_its_own_number_of_frames_and_filled_with_silence():
    code, moves = cells(), set()
    got = adapted(TimeShift(3), Cells())(code)
    assert got.dtype == code.dtype
    for before, after in zip(code, got, strict=True):
        move = next(
            m
            for m in range(-3, 4)
            if all(
                after[0, f, t] == (before[0, f, t - m] if 0 <= t - m < 20 else 5 + f)
                for f in range(3)
                for t in range(20)
            )
        )
        moves.add(move)
    assert moves == set(range(-3, 4))


def test_a_shift_longer_than_the_code_leaves_silence():
    got = adapted(TimeShift(1000), Cells())(cells(200, 2))
    assert (got == torch.tensor([5, 6, 7])[:, None]).flatten(1).all(1).any()
    assert set(got.unique().tolist()) <= {5, 6, 7, *cells(1, 2).flatten().tolist()}


def test_residual_codes_are_filled_with_stages_that_are_not_sent():
    code = torch.arange(10).expand(50, 2, 10)
    for augmentation in (TimeShift(4), TimeMask(4)):
        got = adapted(augmentation, Residual())(code)
        changed = got != code
        assert (got == -1).any()
        assert set(got.unique().tolist()) == set(range(-1, 10))
        if isinstance(augmentation, TimeMask):
            assert set(got[changed].tolist()) == {-1}
        Residual().spec((1, 1000)).check(got)


def test_ordinary_codebooks_are_filled_with_the_word_of_silence():
    sounds = torch.randint(-3000, 3000, (50, 1, 800), dtype=torch.int16)
    sounds[:, :, :400] = 0
    codec = VQ((8,), 16).fit([sounds])
    code = codec.encode(sounds)
    got = adapted(TimeShift(5), codec)(code)
    assert got.dtype == torch.uint8
    codec.spec((1, 800)).check(got)
    silence = int(codec.encode(torch.zeros(1, 8, dtype=torch.int16)))
    assert silence == int(code[0, 0, 0])
    assert (got[:, 0, :45] == silence).all()  # moved either way, what was silent and what is filled are alike


@pytest.mark.parametrize("count", [1, 2])
def test_time_masks_are_stretches_of_silence(count):
    code = cells()
    got = adapted(TimeMask(6, count), Cells())(code)
    lengths = set()
    for before, after in zip(code, got, strict=True):
        hidden = (before != after).flatten(0, 1)
        assert (hidden == hidden[0]).all()  # all rows at once
        assert after[before != after].tolist() == [5 + f for f in range(3) for _ in range(int(hidden[0].sum()))]
        stretches = (hidden[0, 1:] & ~hidden[0, :-1]).sum() + hidden[0, 0]
        assert stretches <= count
        lengths.add(int(hidden[0].sum()))
    assert {0, 6} <= lengths
    assert 4 * count < max(lengths) <= 6 * count


def test_frequency_masks_are_bands_of_silence():
    code = cells()
    got = adapted(FrequencyMask(2), Cells())(code)
    bands = set()
    for before, after in zip(code, got, strict=True):
        hidden = (before != after)[0]
        assert (hidden == hidden[:, :1]).all()
        rows = tuple(hidden[:, 0].nonzero().flatten().tolist())
        for row in rows:
            assert (after[0, row] == 5 + row).all()
        bands.add(rows)
    assert bands == {(), (0,), (1,), (2,), (0, 1), (1, 2)}
    with pytest.raises(MisconfigurationException, match=r"fields \['code'\] are on a grid of 1 axes: use TimeMask"):
        adapted(FrequencyMask(2), Residual())


class Bins(Cells):
    """Cells of 40 rows; silence is coded as 50 and more."""

    def encode(self, signal):
        return torch.arange(50, 90)[:, None].expand(1, 40, signal.shape[-1] // 100)


def test_frequencies_are_stretched_by_a_factor_of_each_code():
    code = torch.arange(40).view(1, 1, 40, 1).repeat(64, 1, 1, 5)
    got = adapted(FrequencyStretch(0.25), Bins())(code)
    assert (got == got[..., :1]).all()
    factors = []
    for after in got[:, 0, :, 0].tolist():
        # Row r shows the row nearest to r / factor, or silence beyond the last: each bounds the factor.
        read = [(row, min(seen, 40)) for row, seen in enumerate(after)]
        assert all(seen in (row + 50, read[row][1]) for row, seen in enumerate(after))
        least = max(row / (source + 0.5) for row, source in read if source < 40)
        most = min(row / (source - 0.5) for row, source in read if source)
        assert 0.75 - 0.02 < least <= most + 1e-6
        assert most < 1.25 + 0.02
        factors.append((least + most) / 2)
    assert min(factors) < 0.8
    assert max(factors) > 1.2
    assert torch.equal(adapted(FrequencyStretch(0), Bins())(code), code)
    with pytest.raises(MisconfigurationException, match="FrequencyStretch takes codes on a grid of frequency and time"):
        adapted(FrequencyStretch(0.1), Residual())
    with pytest.raises(ValueError, match=r"max_stretch is a number from 0 to 1, but not 1; got 1"):
        FrequencyStretch(1)


class Several(Cells):
    """Stages that may be absent, a gain with two values a frame, and a rate that is one for all."""

    def __init__(self, gain=40):
        self.gain = gain

    def encode(self, signal):
        frames = signal.shape[-1] // 100
        return torch.tensor([3, 3, self.gain, self.gain + 1, 8])[:, None].expand(5, frames)

    def spec(self, shape):
        fields = [
            Field("stages", (0, 0), (15, 15), ordinal=False, absent=16),
            Field("gain", (0,), (99,), ordinal=True, cells=(2,)),
            Field("rate", (8,), (11,), ordinal=False, constant=True),
        ]
        return CodeSpec(fields, (shape[-1] // 100,))


@pytest.mark.parametrize("augmentation", [TimeShift(4), TimeMask(4)])
def test_each_field_is_filled_with_what_it_has_for_silence(augmentation):
    code = torch.tensor([1, 2, 60, 70, 9])[:, None].expand(50, 5, 10)
    got = adapted(augmentation, Several())(code)
    Several().spec((1, 1000)).check(got)
    hidden = got[:, 0] == 16
    assert 0 < hidden.float().mean() < 1
    filled, left = got.movedim(1, -1)[hidden], got.movedim(1, -1)[~hidden]
    assert (filled == torch.tensor([16, 16, 40, 41, 9])).all()
    assert (left == torch.tensor([1, 2, 60, 70, 9])).all()


def test_codecs_must_agree_in_what_fills():
    codecs = [Several(), Several(gain=50)]
    with pytest.raises(MisconfigurationException, match="the code of silence, which is not one for field 'gain' of"):
        TimeShift(2).adapt(codecs, Several().spec((1, 1000)), None)
    TimeShift(2).adapt([Residual(), Residual()], Residual().spec((1, 1000)), None)


def test_samples_of_all_channels_are_silent_alike():
    shift = TimeShift(1000)
    shift.adapt([PCM(16)], PCM(16).spec((2, 20)), None)
    got = shift(torch.ones(50, 2, 20, dtype=torch.int16))
    assert torch.equal(got[:, 0], got[:, 1])
    assert (got == 0).any()


def test_frequencies_within_a_row_are_refused():
    spec = CodeSpec([Field("bands", (0,), (9,), True, cells=(2, 1))], (3, 10))
    with pytest.raises(MisconfigurationException, match=r"field 'bands' has cells \(2, 1\): use TimeMask"):
        FrequencyStretch(0.1).adapt([Cells()], spec, None)


@pytest.mark.parametrize("codec", [PCM(8), VQ((2, 2), 4)])
def test_codecs_of_images_know_no_silence(codec):
    with pytest.raises(MisconfigurationException, match=r"TimeShift augments codes of sounds; .* cannot code one: "):
        TimeShift(2).adapt([codec], codec.spec((1, 28, 28)), None)


def test_masks_longer_than_the_code_fit():
    assert adapted(TimeMask(500), Cells())(cells(8, 4)).shape == (8, 1, 3, 4)


def test_a_chain_applies_all_and_adapts_through_its_modules():
    chain = Chain([TimeShift(0), TimeMask(0), FrequencyMask(3)])
    for module in chain.modules():
        if hasattr(module, "adapt"):
            module.adapt([Cells()], Cells().spec((1, 1000)), None)
    assert (chain(cells()) != cells()).any()


@pytest.mark.parametrize("augmentation", [TimeShift(3), TimeMask(3), FrequencyMask(2), FrequencyStretch(0.5)])
def test_random_numbers_are_torchs_and_the_codes_stay(augmentation):
    adapted(augmentation, Cells())
    code = cells()
    torch.manual_seed(5)
    first, second = augmentation(code), augmentation(code)
    torch.manual_seed(5)
    assert torch.equal(augmentation(code), first)
    assert not torch.equal(first, second)
    assert torch.equal(code, cells())
    assert not augmentation.state_dict()


def test_what_was_not_adapted_says_so():
    with pytest.raises(MisconfigurationException, match="TimeShift does not know the fields of the codes; hand it to"):
        TimeShift(2)(cells())
    with pytest.raises(ValueError, match=r"adapted to codes of 2 axes; got \(64, 1, 3, 20\), batch included"):
        adapted(TimeShift(2), PCM(16))(cells())


@pytest.mark.parametrize("make", [lambda: TimeShift(-1), lambda: TimeMask(-1), lambda: FrequencyMask(1, count=-1)])
def test_negative_numbers(make):
    with pytest.raises(ValueError, match="is a whole number of at least 0; got -1"):
        make()
