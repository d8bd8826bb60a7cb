"""Every stem and every backbone is one graph, for batches of any size: for torch.compile and for torch.export."""

import inspect

import pytest
import torch
from torch import nn
from torch.export import Dim

from lossy_lightning.core import CodeSpec
from tests.nn.architectures import BACKBONES, CROPPED, FIXED, STEMS, fits

ALSO_FAST = {"OneHot-SequenceNet", "CodebookSum-SequenceNet", "LookupConv, stride 4-SequenceNet", "LookupLinear-MLP"}


def pairs():
    """Pairs in which each stem and each backbone comes at least once."""
    stems, backbones = set(), set()
    for stem, (make, *specs) in (STEMS | FIXED).items():
        for backbone, rest in (BACKBONES | CROPPED).items():
            for spec in specs:
                spec = CodeSpec(spec.fields, [size or 32 for size in spec.grid])
                if {stem, backbone} <= stems | backbones or fits(make, spec, rest) is None:
                    continue
                stems.add(stem)
                backbones.add(backbone)
                name = f"{stem}-{backbone}"
                yield pytest.param(spec, make, rest, id=name, marks=[] if name in ALSO_FAST else pytest.mark.slow)


PAIRS = list(pairs())


def lowest(spec, batch):
    """Codes of the least value of each channel."""
    low = torch.tensor(spec.low).view(-1, *[1] * len(spec.grid))
    return low.expand(batch, *spec.shape).to(spec.dtype).contiguous()


@pytest.mark.parametrize(("spec", "stem", "backbone"), PAIRS)
def test_batches_of_any_size_run_in_one_exported_program(spec, stem, backbone):
    task = fits(stem, spec, backbone).eval()
    with torch.no_grad():
        program = torch.export.export(task, (lowest(spec, 3),), dynamic_shapes=({0: Dim("batch", min=1)},))
        for batch in (1, 4):
            code = lowest(spec, batch)
            torch.testing.assert_close(program.module()(code), task(code), rtol=1e-4, atol=1e-4)


class Network(nn.Module):
    """A task without its checks."""

    def __init__(self, task):
        super().__init__()
        self.stem, self.backbone = task.stem, task.backbone

    def forward(self, code, grid_size=None):
        if grid_size is None:
            return self.backbone(self.stem(code))
        features, own = self.stem(code, grid_size)
        return self.backbone(features, own)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch does so itself
@pytest.mark.parametrize(("spec", "stem", "backbone"), PAIRS)
def test_networks_compile_without_a_graph_break(spec, stem, backbone):
    network = Network(fits(stem, spec, backbone)).eval()
    code = lowest(spec, 3)
    padded = "grid_size" in inspect.signature(network.backbone.forward).parameters
    for arguments in ((code,), (code, torch.tensor([spec.grid] * 3)))[: 1 + padded]:
        torch._dynamo.reset()
        compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
        with torch.no_grad():
            torch.testing.assert_close(compiled(*arguments), network(*arguments), rtol=1e-4, atol=1e-4)
