"""Time of packed networks beside the same networks in torch, one thread, by turns.

    python -m benchmarks.speed.packed [name ...] [--repeats 30] [--threads 2] [--update docs/deploy.md]

Networks are those of `experiments/` and `examples/`, with weights as they are made and statistics drawn at random:
neither changes a time. Peers are (a) the network with plain +1 and -1 in torch, without the quantizers' own overhead,
(b) the same with float weights and ReLUs, its float twin. Codes are random integers in memory; each call goes from
them to logits. Medians of processor time, of calls that take
turns; what several threads gain is of wall-clock time.
"""

import copy
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import machine, parser, seconds, show
from lossy_lightning.core import CodeSpec
from lossy_lightning.deploy import pack
from lossy_lightning.nn import (
    MLP,
    BinaryNet,
    Bits,
    CodebookSum,
    ConvNet,
    LookupConv,
    ResidualNet,
    Scale,
    SequenceNet,
    SpaceToDepth,
)
from lossy_lightning.tasks import ClassificationTask

TURN = 0.004  # seconds
FIRST = {"first_weight_bit_width": 32, "first_input_bit_width": 32}
FLOAT = {"weight_bit_width": 32, "input_bit_width": 32}
INDICES = partial(CodeSpec.uniform, low=0, high=15, ordinal=False)
PIXELS = partial(CodeSpec.uniform, low=0, high=255, ordinal=True)
LYRA = {"channels": (192, 192, 384, 384), "strides": (2, 1, 2, 1)}
LOOKED_UP = {"channels": (128, 128, 256, 256), "strides": (2, 1, 2, 1)}
NETWORKS = {
    "mnist_joint_codes": (INDICES((1, 7, 7)), Bits, MLP, partial(MLP, **FLOAT)),
    "mnist_thresholds": (
        CodeSpec.uniform((1, 28, 28), 0, 1, ordinal=True),
        SpaceToDepth,
        partial(ConvNet, channels=(16, 64), pool=(True, False), hidden_features=(80,), first_input_bit_width=1),
        partial(ConvNet, channels=(16, 64), pool=(True, False), hidden_features=(80,), **FLOAT),
    ),
    "mnist_baseline": (PIXELS((1, 28, 28)), Scale, ConvNet, partial(ConvNet, **FLOAT)),
    "speech_lyra_binary": (
        INDICES((46, 50), absent=-1),
        CodebookSum,
        partial(ResidualNet, **LYRA, **FIRST),
        SequenceNet,
    ),
    "speech_vq_lookup_binary": (
        INDICES((1, 64, 64)),
        partial(LookupConv, kernel_size=6, stride=4, out_channels=128, padding=1),
        partial(ResidualNet, **LOOKED_UP),
        partial(ResidualNet, **LOOKED_UP, **FLOAT),
    ),
    "BinaryNet, 32x32": (
        PIXELS((3, 32, 32)),
        Scale,
        partial(BinaryNet, first_input_bit_width=32),
        partial(
            ConvNet,
            channels=(128, 128, 256, 256, 512, 512),
            pool=(False, True) * 3,
            hidden_features=(1024, 1024),
            pad=(False, *[True] * 5),
            **FLOAT,
        ),
    ),
}


class Plain(nn.Module):
    """A binary layer in torch alone: signs of the inputs, and weights that are signs already."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        quantized = layer.quant_weight()
        self.weight = nn.Parameter(getattr(quantized, "value", quantized).detach().clone())
        self.signs = layer.input_quant.is_quant_enabled
        self.bias = layer.bias
        self.geometry = () if isinstance(layer, nn.Linear) else _geometry(layer)
        self.product = F.linear if isinstance(layer, nn.Linear) else (F.conv1d, F.conv2d)[self.weight.ndim - 3]

    def forward(self, x: Tensor) -> Tensor:
        """The product."""
        if self.signs:
            x = torch.ge(x, 0, out=torch.empty_like(x)).mul_(2).sub_(1)
        return self.product(x, self.weight, self.bias, *self.geometry)


def _geometry(layer: nn.Module) -> tuple[object, ...]:
    return layer.stride, layer.padding, layer.dilation, layer.groups


def plain(model: nn.Module) -> nn.Module:
    """The network without Brevitas's layers."""
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if hasattr(layer, "quant_weight"):
                setattr(parent, name, Plain(layer))
    return model.eval()


def settled(model: nn.Module) -> nn.Module:
    """Statistics of batch norms as if trained."""
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 3)
            module.running_var.uniform_(0.5, 40)
    return model.eval()


def codes(spec: CodeSpec, count: int) -> Tensor:
    """Random codes."""
    return torch.randint(min(spec.low), max(spec.high) + 1, (count, *spec.shape)).to(spec.dtype)


def by_turns(
    calls: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Median seconds of calls that take turns, each for some milliseconds, after one turn that warms up."""
    for call in calls.values():
        call()
    counts = {name: max(1, int(TURN / max(seconds(call), 1e-7))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            count = counts[name]
            times[name].append(seconds(lambda call=call, count=count: [call() for _ in range(count)], clock) / count)
    return {name: statistics.median(values) for name, values in times.items()}


def row(name: str, repeats: int, threads: int) -> list[list[str]]:
    """Milliseconds an example of a packed network and of its peers, at batch 1 and 64."""
    spec, stem, backbone, twin = NETWORKS[name]
    model = settled(ClassificationTask(spec, 10, stem, backbone))
    peers = {"(a) plain signs": plain(model), "(b) float twin": plain(ClassificationTask(spec, 10, stem, twin).eval())}
    network = pack(model, spec)
    rows = []
    for batch in (1, 64):
        code = codes(spec, batch)
        calls = {"packed": partial(network.predict, code.numpy())}
        calls |= {peer: partial(module, code) for peer, module in peers.items()}
        calls["Brevitas"] = partial(model, code)
        faster = ""
        if threads > 1 and batch > 1:
            both = {"one": calls["packed"], "several": partial(network.predict, code.numpy(), threads)}
            taken = by_turns(both, repeats, time.perf_counter)
            faster = f"{taken['one'] / taken['several']:.2f}"
        with torch.no_grad():
            found = by_turns(calls, repeats)
        own = found["packed"]
        ratios = [f"{found[peer] / own:.1f}" for peer in (*peers, "Brevitas")]
        rows.append([f"`{name}`", str(batch), f"{1000 * own / batch:.4f}", *ratios, faster])
    return rows


def main() -> None:
    options = parser(__doc__)
    options.add_argument("names", nargs="*", metavar="name", help=f"networks; default all of {list(NETWORKS)}")
    options.add_argument("--repeats", type=int, default=30)
    options.add_argument("--threads", type=int, default=1, help="also time a batch of 64 on so many threads")
    options.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = [["network", "batch", "packed, ms an example", "(a)", "(b)", "Brevitas", f"{given.threads} threads"]]
    for name in given.names or NETWORKS:
        rows += row(name, given.repeats, given.threads)
    note = (
        "Times of peers are multiples of the packed network's: (a) plain signs in torch, (b) the float twin in torch. "
    )
    show(rows, f"{note}Measured on {machine()}.", given.update, "packed-speed")


if __name__ == "__main__":
    main()
