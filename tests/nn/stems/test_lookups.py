import pytest
import torch
import torch.nn.functional as F
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.callbacks import BitWidthAudit
from lossy_lightning.codecs import PCM
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, Field
from lossy_lightning.functional import sum_codewords
from lossy_lightning.nn import CodebookSum, LookupConv
from lossy_lightning.profiling import (
    count_lookups,
    count_macs,
    count_parameters,
    weight_memory,
)

NOTHING = CodeStatistics(torch.zeros(1), torch.zeros(1))


class Residual(Codec):
    """A codec that has nothing but codebooks."""

    def __init__(self, stages=5, levels=4, dim=3):
        self.words = torch.randn(stages, levels, dim, generator=torch.Generator().manual_seed(0))

    def codebooks(self):
        return self.words

    def encode(self, signal):
        raise NotImplementedError

    def decode(self, code, shape=None):
        raise NotImplementedError

    def spec(self, shape):
        raise NotImplementedError


def residual_spec(stages=5, levels=4, grid=(7,), absent=-1):
    return CodeSpec.uniform((stages, *grid), 0, levels - 1, ordinal=False, absent=absent)


def codes(spec, count=3, unsent=False, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand(count, *spec.shape, generator=generator)
    low = torch.tensor([-1 if unsent else low for low in spec.low]).view(-1, *[1] * (len(spec.shape) - 1))
    high = torch.tensor(spec.high).view_as(low)
    return (low + draws * (high - low + 1)).floor().long()


@pytest.mark.parametrize("grid", [(7,), (4, 5)])
@pytest.mark.parametrize("num_stages", [None, 1, 3])
def test_words_are_added_up(grid, num_stages):
    spec = residual_spec(grid=grid)
    stem, codec = CodebookSum(spec, dim=3, num_stages=num_stages), Residual()
    code = codes(spec, unsent=True)
    assert not stem(code).any()
    stem.adapt([codec], None, NOTHING)
    expected = sum_codewords(code[:, :num_stages].flatten(2), codec.codebooks()).view(3, 3, *grid)
    torch.testing.assert_close(stem(code), expected)
    assert stem.shape == (3, *grid)
    torch.testing.assert_close(stem(code.to(torch.int8)), expected)


def test_a_stage_not_sent_is_one_that_is_not_read():
    spec = residual_spec()
    stem, few = CodebookSum(spec, dim=3), CodebookSum(spec, dim=3, num_stages=2)
    for one in (stem, few):
        one.adapt([Residual()], None, NOTHING)
    code = codes(spec)
    less = code.clone()
    less[:, 2:] = -1
    torch.testing.assert_close(stem(less), few(code))


@pytest.mark.parametrize("trainable", [True, False])
def test_words_are_trained_where_asked(trainable):
    spec = residual_spec()
    stem = CodebookSum(spec, dim=3, trainable=trainable, weight_bit_width=1)
    stem.adapt([Residual()], None, NOTHING)
    sums = stem(codes(spec))
    assert sums.requires_grad is trainable
    assert "table.weight" in stem.state_dict()
    if trainable:
        sums.sum().backward()
        used = codes(spec).movedim(1, 0).flatten(1)
        expected = torch.stack([row.bincount(minlength=4) for row in used]).flatten().float()
        assert torch.equal(stem.table.weight.grad, expected[:, None].expand(-1, 3))


@pytest.mark.parametrize("bit_width", [1, 4])
def test_quantized_words(bit_width):
    """Each stage has at most so many values, and the nearest of them to its own."""
    spec, codec = residual_spec(), Residual()
    stem = CodebookSum(spec, dim=3, weight_bit_width=bit_width)
    stem.adapt([codec], None, NOTHING)
    for stage, words in enumerate(codec.codebooks()):
        alone = torch.full((4, 5, 7), -1)
        alone[:, stage] = torch.arange(4)[:, None]
        rows = stem(alone)[..., 0]
        scale = words.abs().mean() if bit_width == 1 else words.abs().max() / 7
        levels = scale * (torch.tensor([-1.0, 1.0]) if bit_width == 1 else torch.arange(-7.0, 8.0))
        nearest = levels[(words[..., None] - levels).abs().argmin(-1)]
        torch.testing.assert_close(rows, nearest)
    trained = CodebookSum(spec, dim=3, trainable=True, weight_bit_width=bit_width)
    trained.adapt([codec], None, NOTHING)
    assert torch.equal(trained(codes(spec)), stem(codes(spec)))


@pytest.mark.parametrize("bit_width", [1, 4])
def test_the_audit_reads_tables(bit_width, monkeypatch):
    """It passes what keeps the declared width, and stops what does not."""
    stem = CodebookSum(residual_spec(), dim=3, weight_bit_width=bit_width)
    stem.adapt([Residual()], None, NOTHING)
    audit = BitWidthAudit()
    model = torch.nn.Sequential(stem)

    def run():
        audit._watch(model, 0)
        try:
            model(codes(residual_spec()))
        finally:
            audit._unwatch()

    run()
    quantizer = stem.table.weight_quant
    monkeypatch.setattr(quantizer, "bit_width", lambda: torch.tensor(bit_width / 2 if bit_width > 1 else 1.0))
    if bit_width == 1:
        monkeypatch.setattr(quantizer, "width", 4)
    with pytest.raises(MisconfigurationException, match=r"layer '0.table' declares . bits for its weight_quant"):
        run()


@pytest.mark.parametrize("bit_width", [1, 4, 32])
def test_what_a_codebook_sum_costs(bit_width):
    spec = residual_spec(16, 16, (50,))
    stem = CodebookSum(spec, weight_bit_width=bit_width)
    code = codes(spec, count=1)
    assert count_lookups(stem, code) == (16 * 50, 16 * 50 * 64)
    assert not count_macs(stem, code)
    assert count_parameters(stem) == {bit_width: 16 * 16 * 64}
    assert weight_memory(stem).stored == 16 * 16 * 64 * bit_width // 8


def test_codebook_sum_refuses():
    spec = residual_spec()
    with pytest.raises(ValueError, match="residual codes"):
        CodebookSum(CodeSpec.uniform((2, 7), 0, 255, ordinal=True))
    with pytest.raises(ValueError, match="has 5 stages"):
        CodebookSum(spec, num_stages=6)
    with pytest.raises(ValueError, match="1, 4 or 32"):
        CodebookSum(spec, weight_bit_width=2)
    with pytest.raises(ValueError, match="has none"):
        CodebookSum(spec).adapt([PCM()], None, NOTHING)
    with pytest.raises(ValueError, match="set dim=3"):
        CodebookSum(spec).adapt([Residual()], None, NOTHING)


def one_hot(code, spec):
    """Channel by channel, level by level; nothing is hot for -1."""
    channels = []
    for channel, (low, levels) in enumerate(zip(spec.low, spec.levels, strict=True)):
        numbers = torch.arange(levels).view(-1, *[1] * (code.ndim - 2))
        channels.append(((code[:, channel, None] - low) == numbers).float())
    return torch.cat(channels, 1)


def as_kernel(stem, spec):
    """The stem's table as a convolution's weight ``(out_channels, sum(levels), *kernel)``."""
    rows, start = stem.table.weight.detach(), 0
    parts = []
    for levels in spec.levels:
        places = torch.Size(stem.kernel_size).numel()
        part = rows[start : start + places * levels].view(places, levels, -1)
        parts.append(part.permute(2, 1, 0).unflatten(2, stem.kernel_size))
        start += places * levels
    assert start == len(rows)
    return torch.cat(parts, 1)


@pytest.mark.parametrize("unsent", [False, True])
@pytest.mark.parametrize(
    ("grid", "kernel_size", "stride", "padding"),
    [
        ((9,), 3, 1, 1),
        ((10,), 4, 2, 1),
        ((9,), 3, 2, 0),
        ((9, 8), 3, 1, 1),
        ((9, 8), (2, 4), (2, 1), (0, 2)),
        ((6, 6), 1, 1, 0),
    ],
)
def test_look_ups_are_a_convolution_on_one_hot_codes(grid, kernel_size, stride, padding, unsent):
    spec = CodeSpec([Field("code", (0, 0), (3, 6), ordinal=False, absent=-1 if unsent else None)], grid)
    stem = LookupConv(spec, kernel_size, stride, 5, padding)
    code = codes(spec, unsent=unsent)
    convolve = F.conv1d if len(grid) == 1 else F.conv2d
    expected = convolve(one_hot(code, spec), as_kernel(stem, spec), stride=stride, padding=padding)
    for training in (True, False):  # multiplied in training, looked up elsewhere
        torch.testing.assert_close(stem.train(training)(code), expected, rtol=1e-4, atol=1e-5)
    assert (3, *stem.shape) == expected.shape


def test_ordinal_codes_have_rows_below_zero():
    spec = CodeSpec([Field("code", (-3,), (2,), ordinal=True)], (6,))
    stem = LookupConv(spec, 3, 1, 4)
    code = codes(spec)
    for training in (True, False):
        expected = F.conv1d(one_hot(code, spec), as_kernel(stem, spec))
        torch.testing.assert_close(stem.train(training)(code), expected)


def test_a_stage_not_sent_has_no_row_that_is_read():
    spec = CodeSpec([Field("code", (0, 0), (3, 3), ordinal=False, absent=-1)], (6,))
    stem = LookupConv(spec, 3, 1, 4)
    unsent = torch.full((2, 2, 6), -1)
    for training in (True, False):
        assert not stem.train(training)(unsent).any()
    code = codes(spec)
    torch.testing.assert_close(stem.eval()(code), stem.train()(code))


@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_those_of_the_convolution(training):
    spec = residual_spec(2, 4, (6, 6))
    stem = LookupConv(spec, 3, 2, 4, padding=1).train(training)
    code = codes(spec)
    stem(code).square().sum().backward()
    kernel = as_kernel(stem, spec).requires_grad_()
    F.conv2d(one_hot(code, spec), kernel, stride=2, padding=1).square().sum().backward()
    ours = kernel.grad
    stem.table.weight.data = stem.table.weight.grad
    torch.testing.assert_close(as_kernel(stem, spec), ours, rtol=1e-4, atol=1e-4)


def test_what_a_look_up_convolution_costs():
    spec = residual_spec(1, 16, (64, 64))
    stem = LookupConv(spec, kernel_size=4, stride=2, out_channels=64, padding=1)
    code = codes(spec, count=1)
    rows = 32 * 32 * 16
    assert count_lookups(stem, code) == (rows, rows * 64)
    assert not count_macs(stem, code)
    assert count_parameters(stem) == {32: 16 * 16 * 64}


def test_sizes_may_vary():
    spec = CodeSpec([Field("code", (0,), (3,), ordinal=False)], (None,))
    stem = LookupConv(spec, 3, 2, 4, padding=1)
    assert stem.shape == (4, None)
    assert stem(torch.zeros(2, 1, 9, dtype=torch.uint8)).shape == (2, 4, 5)


def test_look_up_convolution_refuses():
    spec = residual_spec(1, 16, (8, 8))
    with pytest.raises(ValueError, match="does not fit a grid with 8"):
        LookupConv(spec, 9, 1, 4)
    with pytest.raises(ValueError, match="has 2 axes"):
        LookupConv(spec, (3, 3, 3), 1, 4)
    for size in ("33", 3.0, (3, "3")):
        with pytest.raises(ValueError, match="has 2 axes, with a whole number for each or for all; got"):
            LookupConv(spec, size, 1, 4)
    with pytest.raises(ValueError, match="1 or more"):
        LookupConv(spec, 3, 0, 4)
