"""Networks give the same logits whatever vector instructions their code is compiled for."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from lossy_lightning.deploy import pack
from tests.deploy import networks

SCRIPT = """
import numpy as np
from lossy_lightning.deploy import PackedNetwork
for name in ("thresholds", "residual", "groups", "pixels"):
    np.save(f"{name}.logits.npy", PackedNetwork.load(name).predict(np.load(f"{name}.npy")))
"""
AVX2 = "+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma"


@pytest.mark.slow
@pytest.mark.parametrize("features", [AVX2, ""], ids=["AVX2", "none"])
def test_other_processors(features, tmp_path):
    torch.manual_seed(0)
    models = {name: networks.task(name) for name in ("thresholds", "residual", "pixels")}
    specs = {name: model.spec for name, model in models.items()}
    models["groups"], specs["groups"] = networks.groups(), networks.indices(2, 8, 8)
    expected = {}
    for name, model in models.items():
        network, code = pack(model, specs[name]), networks.codes(specs[name], 9).numpy()
        network.save(tmp_path / name)
        np.save(tmp_path / f"{name}.npy", code)
        expected[name] = network.predict(code)
    told = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, env=os.environ | told, check=True)
    for name, logits in expected.items():
        np.testing.assert_allclose(
            np.load(tmp_path / f"{name}.logits.npy"), logits, atol=1e-5 if name == "pixels" else 0
        )
