"""Every stem is one graph for torch.compile."""

import pytest
import torch

from lossy_lightning.core import CodeSpec
from tests.nn.architectures import FIXED, STEMS

CASES = [
    pytest.param(make, CodeSpec(spec.fields, [size or 16 for size in spec.grid]), id=f"{name}-{len(spec.grid)}d")
    for name, (make, *specs) in (FIXED | STEMS).items()
    for spec in specs[:2]
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch does so itself
@pytest.mark.parametrize(("make", "spec"), CASES)
def test_stems_compile_without_a_graph_break(make, spec):
    stem = make(spec)
    code = torch.tensor(spec.low).view(-1, *[1] * len(spec.grid)).expand(2, *spec.shape).to(spec.dtype).contiguous()
    size = torch.tensor([spec.grid] * 2)
    for training, arguments in ((True, (code,)), (False, (code,)), (False, (code, size))):
        torch._dynamo.reset()
        compiled = torch.compile(stem.train(training), fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(*arguments), stem(*arguments), rtol=1e-4, atol=1e-5)
