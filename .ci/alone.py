"""Use the package without any extra, from a folder of its own: commands, and a network that it ships."""

import importlib
import os
import pkgutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(sys.argv[1])
EXTRAS = {"matplotlib", "onnx", "onnxscript", "onnxruntime", "qonnx", "encodec", "litdata", "pyarrow", "ai_edge_litert"}


def run(*arguments: str, extra: str = "") -> None:
    """Run a command of ours; one that needs an extra must say how to install it."""
    command = [sys.executable, "-m", "lossy_lightning", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    told = f"{' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    if extra:
        assert f'pip install "lossy-lightning[{extra}]"' in done.stderr, told
    else:
        assert done.returncode == 0, told
    print("passed:", " ".join(arguments)[:100], flush=True)


def main() -> None:
    """Each module, each command, a network of ours."""
    there = sorted(name for name in EXTRAS if find_spec(name))
    assert not there, f"extras are installed: {there}"
    os.chdir(tempfile.mkdtemp())
    package = importlib.import_module("lossy_lightning")
    assert "site-packages" in package.__file__, package.__file__
    modules = [module.name for module in pkgutil.walk_packages(package.__path__, "lossy_lightning.")]
    for name in modules:
        if name != "lossy_lightning.__main__":
            importlib.import_module(name)
    print(f"passed: {len(modules)} modules are imported")

    for i in range(8):
        folder = Path("photos", ("train", "test")[i % 2], f"class{i // 4}")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.jpg")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("digit.png")
    photo = "photos/train/class0/0.jpg"
    run("--version")
    run("--help")
    digits = str(ROOT / "examples/digits_vq_bnn.yaml")
    run("fit", "--config", digits, "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu")
    (best, *_) = Path("runs").rglob("*.ckpt")
    run("export", "--checkpoint", str(best), "--format", "packed", "--output", "digits.packed")
    run("predict-files", "--network", "digits.packed", "digit.png")
    run("predict-files", "--network", "digits-vq-lookup", "digit.png")
    run("info", photo, "--json")
    run("show", photo, "--output", "code.png", extra="report")
    run("encode", "--input", "photos", "--codec", "JPEG", "--output", "codes")
    run("confound", "photos")
    run("report", "runs")


main()
