"""Defences that only hide their gradient, on small CIFAR-10 networks: the benchmark's own figures."""

import importlib.util
import os
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "attack.py"
DATA = Path(os.environ.get("LOSSY_DATA", "data")) / "cifar10" / "train"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("benchmark_attack", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    return benchmark.masking(tmp_path_factory.mktemp("cifar"), images=100, epochs=4)


@pytest.mark.training
@pytest.mark.skipif(not DATA.exists(), reason="needs CIFAR-10 under $LOSSY_DATA/cifar10")
def test_false_security_is_caught(found):
    assert found["pixels, clean"] > 45
    assert abs(found["thermometer, naive"] - found["thermometer, clean"]) <= 2
    assert found["thermometer, adaptive"] <= 2
    assert found["thermometer, adaptive"] <= found["thermometer, transfer"]
    assert found["JPEG, adaptive, 100 iterations"] <= 5
    assert found["JPEG, adaptive, 100 iterations"] <= found["JPEG, transfer"]
    # Logits of a final batch norm without scale are of unit size, so a sharper softmax helps, not a softer one.
    sharper = min(found[f"binary, 2/255, temperature {t}"] for t in ("0.1", "0.3"))
    assert sharper <= found["binary, 2/255, temperature 1"]
