"""Do networks compute on a GPU what they compute on the processor? Every pair of stem and backbone that fits.

    python -m benchmarks.speed.gpu_pairs

Each pair classifies a batch of random codes forwards and backwards, once on either, from the same weights, in float32
(no TF32) with batch norms in training. A pair whose constructor refuses the features, as it should if they do not fit,
is left out. The table has the greatest relative difference of logits and of gradients over the pairs of each stem. The
logits of a real network must agree within 0.1 %, its gradients within 1 %, since a ReLU may turn over at a rounded
zero; those of one with 1-bit values within 10 %, since a sign may.
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from benchmarks.harness import machine, parser
from lossy_lightning.codecs import JPEG, PCM, VQ
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, Field
from lossy_lightning.nn import (
    MLP,
    BinaryNet,
    Bits,
    BlockDCT,
    CodebookSum,
    CoefficientPlanes,
    Concat,
    ConvNet,
    Embed,
    FrequencyBatchNorm,
    FrequencyNorm,
    InverseDCT,
    LateConcat,
    LearnedBits,
    LookupConv,
    LookupLinear,
    OneHot,
    Packed,
    ResidualNet,
    ResNet,
    Scale,
    SequenceNet,
    SpaceToDepth,
    SpectrogramCNN,
    UpSampling,
)
from lossy_lightning.report import as_markdown

BATCH_SIZE, CLASSES = 8, 10
TOLERANCES = {False: (1e-3, 1e-2), True: (0.1, 0.1)}  # of logits and gradients, by whether values have 1 bit

BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "ResNet": partial(ResNet, depths=(1, 1), widths=(16, 32), strides=(1, 2), entry_kernel=3, entry_stride=1),
    "LateConcat": partial(
        LateConcat,
        aware=(32, 48),
        luma=(12, 48),
        joint=(16, 96),
        chroma=(16, 32),
        depths=(1, 1, 1, 1),
        widths=(8, 16, 32, 64),
    ),
    "UpSampling": partial(UpSampling, depths=(1, 1, 1, 1), widths=(8, 16, 16, 16)),
    "ConvNet, float": partial(ConvNet, channels=(16, 16), pool=(False, False), weight_bit_width=32, input_bit_width=32),
    "ConvNet, 1 bit": partial(ConvNet, channels=(16, 16), pool=(False, False)),
    "BinaryNet": BinaryNet,
    "ResidualNet, 1 bit": partial(ResidualNet, channels=(16, 32), strides=(1, 2)),
    "SequenceNet": partial(SequenceNet, channels=(16, 32), strides=(1, 2), dropout=0.0),
    "SpectrogramCNN": partial(SpectrogramCNN, dropout=0.0),
    "MLP, float": partial(MLP, weight_bit_width=32, input_bit_width=32),
    # One-hot codes are 0 or 1: their signs would all be alike, and gradients nothing but rounding.
    "MLP, 1 bit": partial(MLP, first_input_bit_width=32),
}


class Reading(NamedTuple):
    """A stem and codes that it may read.

    Attributes:
        codes: What they are.
        stem: Makes the stem of their spec.
        spec: Of one example.
        codec: Of which they are; None: of none.
    """

    codes: str
    stem: Callable[[CodeSpec], Any]
    spec: CodeSpec
    codec: Codec | None = None


def readings() -> list[Reading]:
    """Stems with codes that they are made for."""
    jpeg, fine, pixels = JPEG(75), JPEG(75, "4:4:4"), PCM()
    images = torch.randint(256, (64, 1, 8, 8), dtype=torch.uint8)
    vq = VQ((2, 2), 16).fit(images)
    levels = CodeSpec.uniform((3, 6, 6), 0, 3, ordinal=True)
    sound = CodeSpec.uniform((6, 40), 0, 15, ordinal=False)
    for_blocks = (
        FrequencyBatchNorm, partial(FrequencyBatchNorm, by_field=True), Scale,
        partial(FrequencyNorm, luma=16, chroma=4, unstack=True), partial(InverseDCT, factor=4, trainable=True),
        partial(CoefficientPlanes, luma=10, chroma=3),
    )  # fmt: skip
    found = [Reading("JPEG 4:2:0", stem, jpeg.spec((3, 64, 64)), jpeg) for stem in for_blocks]
    rgb = partial(InverseDCT, factor=4, rgb=True)
    found.append(Reading("JPEG 4:4:4", rgb, fine.spec((3, 32, 32)), fine))
    found += [Reading("pixels", stem, pixels.spec((3, 32, 32)), pixels) for stem in (Scale, SpaceToDepth, BlockDCT)]
    simple = (Scale, OneHot, Bits, LearnedBits, partial(Embed, dim=8), partial(LookupLinear, out_features=24))
    packed, looked_up = partial(Packed, block=(2, 2)), partial(LookupConv, kernel_size=3, stride=1, out_channels=24)
    found += [Reading("levels", stem, levels) for stem in (*simple, packed, looked_up)]
    mixed = CodeSpec([Field("mean", (0,), (255,), True), Field("shape", (0,), (15,), False)], (6, 6))
    each = [partial(Scale, fields=["mean"]), partial(Embed, fields=["shape"], dim=8)]
    found.append(Reading("means and indices", partial(Concat, stems=each), mixed))
    found += [Reading("indices of sound", stem, sound) for stem in (OneHot, Bits, partial(Embed, dim=8))]
    found.append(Reading("indices of images", partial(CodebookSum, dim=4), vq.spec((1, 8, 8)), vq))
    return found


def name_of(stem: Any) -> str:
    """Name of the class that is called, and whether fields stay apart."""
    if isinstance(stem, partial):
        return name_of(stem.func) + (" by field" if stem.keywords.get("by_field") else "")
    return str(stem.__name__)


def fitting(reading: Reading) -> Iterator[tuple[str, nn.Module]]:
    """Each backbone that takes the features, behind the stem."""
    for name, backbone in BACKBONES.items():
        stem = reading.stem(reading.spec)
        if reading.codec is not None:
            channels = reading.spec.shape[0]
            statistics = CodeStatistics(torch.zeros(channels), torch.ones(channels))
            stem.adapt([reading.codec], reading.spec, statistics)
        try:
            model = nn.Sequential(stem, backbone(stem.shape, CLASSES))
        except (ValueError, MisconfigurationException):
            continue
        for module in model.modules():
            # Without a bias, sums of few integers often are their mean: a rounded zero, whose sign means nothing.
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) and module.bias is not None:
                nn.init.uniform_(module.bias, -0.5, 0.5)
        yield name, model


def random_codes(spec: CodeSpec) -> Tensor:
    """Codes in the middle of their range, where levels of pictures are."""
    low, high = (torch.tensor(ends).view(-1, *[1] * (len(spec.shape) - 1)) for ends in (spec.low, spec.high))
    low, high = (low, high) if int(high.max()) < 256 else (low.clamp(min=-40), high.clamp(max=40))
    return (low + (torch.rand(BATCH_SIZE, *spec.shape) * (high - low + 1)).floor()).to(spec.dtype)


def outcome(model: nn.Module, code: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Logits and gradients, on the CPU."""
    logits = model(code)
    F.cross_entropy(logits, target).backward()
    made = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: tensor.detach().double().cpu() for name, tensor in {"logits": logits, **made}.items()}


def difference(here: dict[str, Tensor], there: dict[str, Tensor]) -> tuple[float, float]:
    """Relative difference of logits, and of all gradients together."""

    def relative(names: list[str]) -> float:
        one, other = (torch.cat([made[name].flatten() for name in names]) for made in (here, there))
        return float((one - other).norm() / one.norm().clamp(min=1e-12))

    return relative(["logits"]), relative([name for name in here if name != "logits"])


def compare(device: torch.device) -> tuple[list[list[str]], list[str]]:
    """A row for each stem, and the pairs that do not agree."""
    rows, failed = [["codes", "stem", "backbones", "logits differ by", "gradients differ by"]], []
    for reading in readings():
        torch.manual_seed(0)
        names, worst = [], [0.0, 0.0]
        for name, model in fitting(reading):
            code, target = random_codes(reading.spec), torch.randint(CLASSES, (BATCH_SIZE,))
            moved = copy.deepcopy(model).to(device)
            found = difference(outcome(model, code, target), outcome(moved, code.to(device), target.to(device)))
            names.append(name)
            worst = [max(pair) for pair in zip(worst, found, strict=True)]
            binary = "1 bit" in name or name == "BinaryNet" or name_of(reading.stem) == "LearnedBits"
            if not all(each <= most for each, most in zip(found, TOLERANCES[binary], strict=True)):
                failed.append(f"{reading.codes}, {name_of(reading.stem)}, {name}: {found[0]:.1e}, {found[1]:.1e}")
        rows.append([reading.codes, name_of(reading.stem), ", ".join(names), *(f"{each:.1e}" for each in worst)])
    return rows, failed


def show(device: torch.device) -> None:
    """Print the table and what does not agree."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    rows, failed = compare(device)
    torch.backends.cudnn.allow_tf32 = allowed
    print(as_markdown(rows))
    print(f"\n{len(failed)} pairs differ by more than they may", *failed, sep="\n", flush=True)


def main() -> None:
    parser(__doc__).parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        print("no GPU: the processor is compared with itself")
    show(device)
    print(machine())


if __name__ == "__main__":
    main()
