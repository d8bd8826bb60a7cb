"""Padding never changes logits: every stem with every backbone that reads codes of varying size."""

import pytest
import torch
from torch import nn

import lossy_lightning.nn as house
from lossy_lightning.functional import pad_codes
from lossy_lightning.nn import LookupConv
from lossy_lightning.tasks import ClassificationTask
from tests.nn.architectures import BACKBONES, CROPPED, FIXED, MUSIC, SOUND, SPEECH, STEMS, WIDE, WORDS, fits


def pairs():
    """Every stem, spec and backbone that fit together."""
    for (stem, (make, *specs)), (backbone, rest) in ((s, b) for s in STEMS.items() for b in BACKBONES.items()):
        for spec in specs:
            if fits(make, spec, rest) is None:
                continue
            grid = {SOUND: "sound", WORDS: "sound", SPEECH: "speech", MUSIC: "music", WIDE: "4:1:1"}.get(spec, "images")
            # Deconvolution is built for one ratio of grids, and so is the late concatenation.
            if (grid, backbone) not in {("4:1:1", "LateConcat"), ("4:1:1", "UpSampling, aware")}:
                yield pytest.param(spec, make, rest, id=f"{stem}-{grid}-{backbone}")


PAIRS = list(pairs())


def randomised(task):
    """Weights, statistics and tables of their own, so that no shift of a feature goes unseen."""
    generator = torch.Generator().manual_seed(0)
    for module in task.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(std=0.2, generator=generator)
            module.running_mean.normal_(std=0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    for parameter in task.stem.parameters():
        if not parameter.any():
            parameter.data.normal_(generator=generator)
    return task.eval()


def drawn(spec, *grid, generator):
    """A code of that grid, some values of which are absent."""
    code = torch.empty((1, spec.shape[0], *grid), dtype=torch.int16)
    for field in spec.fields:
        channels = code[:, spec.channels(field.name)]
        # Levels as small as those of photos, so that single features do not drown all others.
        for channel, (low, high) in enumerate(
            zip(field.low * field.num_cells, field.high * field.num_cells, strict=True)
        ):
            channels[:, channel].random_(max(low, -9), min(high, 9) + 1, generator=generator)
        if field.name == "global_gain":
            channels += 180  # else nothing can be heard
        if field.constant:
            channels[:] = channels[(..., *[slice(0, 1)] * len(grid))].clone()
        if field.absent is not None:
            channels[torch.rand(channels.shape, generator=generator) < 0.3] = field.absent
    spec.check(code)
    return code


@pytest.mark.parametrize(("spec", "stem", "backbone"), PAIRS)
def test_padding_never_changes_logits(spec, stem, backbone):
    """A padded batch gives what each example gives alone, whatever stands in the padding."""
    torch.manual_seed(0)
    task = randomised(ClassificationTask(spec, 5, stem, backbone))
    generator = torch.Generator().manual_seed(1)
    least = (4, 5) if isinstance(task.stem, LookupConv) else (1, 2)  # its kernel reads no smaller codes
    grids = [(13, 6), (7, 11), (13, 11), least]
    alone = [drawn(spec, *grid[: len(spec.grid)], generator=generator) for grid in grids]
    batch, grid_size = pad_codes([code[0] for code in alone])
    junk = drawn(spec, *batch.shape[2:], generator=generator).expand_as(batch).clone()
    for row, code in zip(junk, alone, strict=True):
        row[(slice(None), *map(slice, code.shape[2:]))] = code[0]
    with torch.no_grad():
        want = torch.cat([task(code) for code in alone])
        assert want.isfinite().all()
        for padded in (batch, junk):
            torch.testing.assert_close(task(padded, grid_size), want, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(task(junk), want, rtol=1e-3, atol=1e-3)
        own = torch.cat([task(code, torch.tensor([code.shape[2:]])) for code in alone])
    torch.testing.assert_close(own, want, rtol=1e-4, atol=1e-4)


def test_every_stem_and_every_backbone_is_tried():
    stems = {name.split(",")[0] for name in STEMS | FIXED} - {"Gray"}
    backbones = {name.split(",")[0] for name in BACKBONES | CROPPED}
    classes = {name for name in house.__all__ if isinstance(getattr(house, name), type)}
    others = {
        "GDN",
        "BlockDecoder",
        "BlockEncoder",
        "ConvDecoder",
        "ConvEncoder",
        "DenseDecoder",
        "GDNDecoder",
        "GDNEncoder",
        "WaveletDecoder",
        "WaveletEncoder",
    }
    assert stems | backbones == classes - others
    tried = [param.id for param in PAIRS]
    assert all(any(one.startswith(f"{stem}-") for one in tried) for stem in STEMS)
    assert all(any(one.endswith(f"-{backbone}") for one in tried) for backbone in BACKBONES)


def test_the_backbone_is_told_the_grid_of_the_features():
    """Not that of the code: a stride of 4 leaves a fourth of it, and padding moved logits by 1."""
    stem = LookupConv(WORDS, kernel_size=4, stride=4, out_channels=8)
    features, own = stem(torch.zeros(2, 3, 40, dtype=torch.int8), torch.tensor([[40], [21]]))
    assert features.shape == (2, 8, 10)
    assert own.tolist() == [[10], [5]]
