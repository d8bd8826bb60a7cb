"""Padding never changes logits: every stem with every backbone that reads codes of varying size."""

from functools import partial

import pytest
import torch
from torch import nn

import lossy_lightning.nn as house
from lossy_lightning.codecs import JPEG
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.functional import pad_codes
from lossy_lightning.nn import (
    Bits,
    CodebookSum,
    CoefficientPlanes,
    Concat,
    Embed,
    FrequencyBatchNorm,
    FrequencyNorm,
    InverseDCT,
    LateConcat,
    LearnedBits,
    LookupConv,
    OneHot,
    ResidualNet,
    ResNet,
    Scale,
    SequenceNet,
    UpSampling,
)
from lossy_lightning.tasks import ClassificationTask

STAGES = Field("stages", (0, 0, 0), (5, 5, 5), False, absent=-1)
VALUES = [STAGES, Field("gain", (-3,), (8,), True)]
SOUND, IMAGES = CodeSpec(VALUES, (None,)), CodeSpec(VALUES, (None, None))
WORDS, WORD_IMAGES = SOUND.select("stages"), IMAGES.select("stages")
PHOTOS = JPEG(tables=True).spec((3, None, None))
WIDE = JPEG(chroma_subsampling="4:1:1").spec((3, None, None))
FIELDS = [partial(Embed, dim=2, fields=["stages"]), partial(Scale, fields=["gain"])]

STEMS = {
    "Scale": (Scale, SOUND, IMAGES, PHOTOS),
    "OneHot": (OneHot, SOUND, IMAGES),
    "Bits": (Bits, SOUND, IMAGES),
    "Gray": (partial(Bits, gray=True), SOUND),
    "LearnedBits": (LearnedBits, WORDS, WORD_IMAGES),
    "Embed": (partial(Embed, dim=3), SOUND, IMAGES),
    "CodebookSum": (partial(CodebookSum, dim=4, trainable=True), WORDS, WORD_IMAGES),
    "LookupConv, stride 4": (partial(LookupConv, kernel_size=6, stride=4, out_channels=8, padding=1), SOUND, IMAGES),
    "LookupConv, stride 1": (partial(LookupConv, kernel_size=3, stride=1, out_channels=8, padding=1), SOUND, IMAGES),
    "LookupConv, unpadded": (partial(LookupConv, kernel_size=2, stride=2, out_channels=8), SOUND, IMAGES),
    "Concat": (partial(Concat, stems=FIELDS), SOUND, IMAGES),
    "FrequencyNorm": (FrequencyNorm, PHOTOS, WIDE),
    "FrequencyNorm, unstacked": (partial(FrequencyNorm, luma=9, chroma=4, unstack=True), PHOTOS, WIDE),
    "FrequencyNorm, by field": (partial(FrequencyNorm, by_field=True), PHOTOS, WIDE),
    "FrequencyBatchNorm": (FrequencyBatchNorm, PHOTOS),
    "FrequencyBatchNorm, by field": (partial(FrequencyBatchNorm, luma=7, chroma=5, by_field=True), PHOTOS),
    "InverseDCT, factor 1": (partial(InverseDCT, factor=1), PHOTOS, WIDE),
    "InverseDCT, factor 2, RGB": (partial(InverseDCT, factor=2, rgb=True), PHOTOS),
    "CoefficientPlanes": (partial(CoefficientPlanes, luma=6, chroma=3), PHOTOS),
}
FIXED = {"BlockDCT", "LookupLinear", "Packed", "SpaceToDepth"}
"""Stems on codes of one size."""

TINY = {"depths": (1, 2, 2, 1), "widths": (4, 4, 4, 4)}
BACKBONES = {
    "SequenceNet": partial(SequenceNet, channels=(8, 8, 16), strides=(1, 2, 2)),
    "SequenceNet, binary": partial(SequenceNet, channels=(8, 8), strides=(2, 1), weight_bit_width=1, input_bit_width=1),
    "ResidualNet": partial(ResidualNet, channels=(8, 16, 16), strides=(2, 2, 1)),
    "ResidualNet, real": partial(
        ResidualNet, channels=(12, 12), strides=(1, 2), weight_bit_width=32, input_bit_width=32
    ),
    "ResidualNet, binary": partial(ResidualNet, channels=(12, 24), strides=(2, 1), last_bit_width=1),
    "ResNet": partial(ResNet, depths=(1, 2), widths=(4, 8), strides=(1, 2), bottleneck=False),
    "ResNet, bottlenecks": partial(ResNet, **TINY, entry_kernel=3, entry_stride=1, v1=True),
    "ResNet, tail": partial(ResNet, **TINY, skip=2),
    "LateConcat": partial(LateConcat, aware=(4, 8), luma=(4, 8), joint=(4, 8), chroma=(4, 8), **TINY),
    "UpSampling": partial(UpSampling, **TINY),
    "UpSampling, aware": partial(UpSampling, aware=(4, 8), learned=True, factors=(2, 2), **TINY),
}
CROPPED = {"BinaryNet", "ConvNet", "MLP", "SpectrogramCNN"}
"""Backbones on features of one size."""


def pairs():
    """Every stem, spec and backbone that fit together."""
    for (stem, (make, *specs)), (backbone, rest) in ((s, b) for s in STEMS.items() for b in BACKBONES.items()):
        for spec in specs:
            try:
                ClassificationTask(spec, 5, make, rest)
            except ValueError:
                continue
            grid = {SOUND: "sound", WORDS: "sound", WIDE: "4:1:1"}.get(spec, "images")
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
    stems = {name.split(",")[0] for name in STEMS} - {"Gray"} | FIXED
    backbones = {name.split(",")[0] for name in BACKBONES} | CROPPED
    classes = {name for name in house.__all__ if isinstance(getattr(house, name), type)}
    coders = {"BlockDecoder", "BlockEncoder", "ConvDecoder", "ConvEncoder", "DenseDecoder"}
    assert stems | backbones == classes - coders
    tried = [param.id for param in PAIRS]
    assert all(any(one.startswith(f"{stem}-") for one in tried) for stem in STEMS)
    assert all(any(one.endswith(f"-{backbone}") for one in tried) for backbone in BACKBONES)


def test_the_backbone_is_told_the_grid_of_the_features():
    """Not that of the code: a stride of 4 leaves a fourth of it, and padding moved logits by 1."""
    stem = LookupConv(WORDS, kernel_size=4, stride=4, out_channels=8)
    features, own = stem(torch.zeros(2, 3, 40, dtype=torch.int8), torch.tensor([[40], [21]]))
    assert features.shape == (2, 8, 10)
    assert own.tolist() == [[10], [5]]
