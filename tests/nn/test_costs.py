"""Multiply-accumulates of every stem with every backbone, against fvcore's count."""

import warnings

import pytest
import torch
from fvcore.nn import FlopCountAnalysis

from lossy_lightning.core import CodeSpec
from lossy_lightning.profiling import count_macs, profile_layers, total_profile
from tests.nn.architectures import BACKBONES, CROPPED, FIXED, STEMS, fits


def pairs():
    """Each stem with the first backbone that it fits, and each backbone with the first stem, on codes of one size."""
    seen = set()
    for name, (make, *specs) in (FIXED | STEMS).items():
        if name == "InverseDCT, factor 2, RGB":
            continue  # fvcore takes its flops of an einsum with an ellipsis from NumPy, which rounds them
        for spec in specs:
            fixed = CodeSpec(spec.fields, [size or 16 for size in spec.grid])
            for backbone, rest in (BACKBONES | CROPPED).items():
                if backbone == "Wav2Vec2":
                    continue  # fvcore counts no attention of one kernel
                case = name, len(spec.grid), len(spec.fields)
                if not {case, backbone} <= seen and fits(make, fixed, rest) is not None:
                    seen |= {case, backbone}
                    yield pytest.param(fixed, make, rest, id=f"{name}-{case[1]}d-{case[2]}-{backbone}")


@pytest.mark.parametrize(("spec", "stem", "backbone"), list(pairs()))
def test_fvcore_counts_the_same(spec, stem, backbone):
    task = fits(stem, spec, backbone).eval()
    code = torch.tensor(spec.low).view(-1, *[1] * len(spec.grid)).expand(2, *spec.shape).to(spec.dtype)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        analysis = FlopCountAnalysis(task, (code,)).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        theirs = analysis.by_operator()
        want = sum(int(theirs[op]) for op in ("conv", "linear", "matmul", "einsum", "addmm", "bmm"))
        got = count_macs(task, code)
        assert sum(got.values()) == want > 0
        assert total_profile(profile_layers(task, code)).macs == got
