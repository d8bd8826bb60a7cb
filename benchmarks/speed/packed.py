"""Time of packed networks beside the same networks in torch, one thread, by turns.

    python -m benchmarks.speed.packed [name ...] [--repeats 20] [--threads 2] [--update docs/deploy.md]

Networks are those of `experiments/` and `examples/`, with weights as they are made and statistics drawn at random:
neither changes a time. Peers are (a) the network with plain +1 and -1 in torch, without the quantizers' own overhead,
(b) the same with float weights and ReLUs, its float twin, (c) the twin in onnxruntime. Codes are random integers in
memory; each call goes from them to logits. Then single layers, a JPEG file of 224 x 224 to its class, and the first
call: with and without compiled code on disk. Medians of processor time, of calls that take turns; what several threads
gain, and the first call, are of wall-clock time.
"""

import copy
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torchvision.io import decode_jpeg

from benchmarks.harness import machine, parser, seconds, show
from benchmarks.speed import _packed_layers, _packed_picture
from lossy_lightning.codecs import JPEG
from lossy_lightning.core import CodeSpec
from lossy_lightning.deploy import PackedNetwork, export_onnx, pack
from lossy_lightning.nn import (
    MLP,
    BinaryNet,
    Bits,
    CodebookSum,
    CoefficientPlanes,
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


def in_onnxruntime(task: ClassificationTask) -> Callable[[Tensor], object]:
    """The same network in onnxruntime, on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(task, Path(folder, "network.onnx"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(Path(folder, "network.onnx"), options)
    return lambda code: session.run(None, {"code": code.numpy()})


def row(name: str, repeats: int, threads: int) -> tuple[list[list[str]], _packed_picture.Latency]:
    """Milliseconds an example of a packed network and of its peers, at batch 1 and 64, and those of a picture."""
    spec, stem, backbone, float_backbone = NETWORKS[name]
    model = settled(ClassificationTask(spec, 10, stem, backbone))
    twin = ClassificationTask(spec, 10, stem, float_backbone).eval()
    peers = {"(a)": plain(model), "(b)": plain(twin), "(c)": in_onnxruntime(twin), "Brevitas": model}
    network = pack(model, spec)
    rows, latencies = [], []
    for batch in (1, 64):
        code = codes(spec, batch)
        calls = {"packed": partial(network.predict, code.numpy())}
        calls |= {peer: partial(module, code) for peer, module in peers.items()}
        faster = ""
        if threads > 1 and batch > 1:
            both = {"one": calls["packed"], "several": partial(network.predict, code.numpy(), threads)}
            taken = by_turns(both, repeats, time.perf_counter)
            faster = f"{taken['one'] / taken['several']:.2f}"
        with torch.no_grad():
            found = by_turns(calls, repeats)
        own = found.pop("packed")
        twins = min(found["(b)"], found["(c)"])
        latencies.append(_packed_picture.Latency(1000 * own, 1000 * found["Brevitas"], 1000 * twins))
        ratios = [f"{peer / own:.1f}" for peer in found.values()]
        rows.append([f"`{name}`", str(batch), f"{1000 * own / batch:.4f}", *ratios, faster])
    return rows, latencies[0]


def photo(repeats: int) -> list[str]:
    """A JPEG file to its class by bit planes, and decoded by torchvision to the float twin on blocks of pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((224, 224)).save(file, "JPEG", quality=85)
    data, codec = file.getvalue(), JPEG(quality=85)
    spec, backbone = codec.spec((3, 224, 224)), partial(ResidualNet, channels=(128, 256), strides=(1, 2))
    planes = partial(CoefficientPlanes, luma=6, chroma=3)
    network = pack(settled(ClassificationTask(spec, 10, planes, partial(backbone, first_input_bit_width=1))), spec)
    twin = partial(backbone, **FLOAT)
    pixels = plain(ClassificationTask(PIXELS((3, 224, 224)), 10, partial(SpaceToDepth, patch=16), twin).eval())
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    calls: dict[str, Callable[[], object]] = {
        "packed": lambda: network.predict(codec.read(data)[0].unsqueeze(0)),
        "torch": lambda: pixels(decode_jpeg(encoded).unsqueeze(0)),
    }
    with torch.no_grad():
        taken = by_turns(calls, repeats)
    return [f"{1000 * taken['packed']:.2f}", f"{1000 * taken['torch']:.2f}"]


def first_call(network: PackedNetwork) -> list[str]:
    """Seconds of a process's first prediction, without compiled code on disk, and with it."""
    script = (
        "import sys, time, numpy as np; from lossy_lightning.deploy import PackedNetwork\n"
        "network = PackedNetwork.load(sys.argv[1]); start = time.perf_counter()\n"
        "network.predict(np.zeros((1, *network.shape), np.uint8)); print(time.perf_counter() - start)"
    )
    with tempfile.TemporaryDirectory() as folder:
        network.save(Path(folder, "network"))
        call = [sys.executable, "-c", script, str(Path(folder, "network"))]
        told = os.environ | {"NUMBA_CACHE_DIR": folder}
        runs = [subprocess.run(call, env=told, check=True, capture_output=True, text=True) for _ in range(2)]
    return [f"{float(run.stdout):.2f}" for run in runs]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("names", nargs="*", metavar="name", help=f"only print these of {list(NETWORKS)}")
    options.add_argument("--repeats", type=int, default=20)
    options.add_argument("--threads", type=int, default=1, help="also time a batch of 64 on so many threads")
    options.add_argument(
        "--update", type=Path, metavar="FILE", help="put the tables into this document, and a picture beside it"
    )
    given = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = [["network", "batch", "packed, ms an example", "(a)", "(b)", "(c)", "Brevitas", f"{given.threads} threads"]]
    latencies = {}
    for name in given.names or NETWORKS:
        made, latencies[name] = row(name, given.repeats, given.threads)
        rows += made
    note = (
        "Times of peers are multiples of the packed network's: (a) plain signs in torch, (b) the float twin in torch, "
        f"(c) the float twin in onnxruntime. Measured on {machine()}."
    )
    if given.names:
        show(rows, note, None, "packed-speed")
        return
    if given.update:
        _packed_picture.draw(given.update.parent / "pictures" / "packed.svg", latencies)
        note += "\n\n![Latency and test accuracy, packed and in torch](pictures/packed.svg)"
    show(rows, note, given.update, "packed-speed")
    layers = _packed_layers.rows(partial(by_turns, repeats=given.repeats))
    show(layers, f"Measured on {machine()}.", given.update, "packed-layers")
    spec, stem, backbone, _ = NETWORKS["mnist_joint_codes"]
    compiled, kept = first_call(pack(settled(ClassificationTask(spec, 10, stem, backbone)), spec))
    packed, decoded = photo(given.repeats)
    others = [
        ["", "packed", "torch"],
        ["JPEG file of 224 x 224 to its class, ms", packed, decoded],
        ["first call, nothing compiled on disk, s", compiled, ""],
        ["first call of a later process, s", kept, ""],
    ]
    show(others, f"Measured on {machine()}.", given.update, "packed-others")


if __name__ == "__main__":
    main()
