"""Every example runs as it stands, only shorter, and on made-up data."""

import importlib.util
import inspect
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lossy_lightning.cli import main
from tests.short import SHORT, check_logged, fit, scalars

EXAMPLES = Path(__file__).parent.parent / "examples"


def names(pattern):
    return sorted(path.name for path in EXAMPLES.glob(pattern))


@pytest.fixture(autouse=True)
def _command_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lossy-lightning"])  # Lightning warns of pytest's own


def test_the_index_names_every_example():
    index = (EXAMPLES / "README.md").read_text()
    assert {"digits_vq_bnn.yaml", "own_trainer.py"} <= {*names("*.yaml"), *names("*.py")}
    assert [name for name in (*names("*.yaml"), *names("*.py")) if f"`{name}`" not in index] == []


@pytest.mark.parametrize("name", names("*.yaml"))
def test_yaml(name, tmp_path, tiny_data, tiny_caches, workshop, monkeypatch):
    if "lyra" in name and not (tiny_data / "lyra_v2").is_dir():
        pytest.skip("needs the models of Lyra, lyra_v2/ in $LOSSY_DATA")
    monkeypatch.setenv("LOSSY_DATA", str(tiny_data))
    monkeypatch.chdir(workshop)
    fit(["--config", str(EXAMPLES / name)], tiny_data, tmp_path, tiny_caches)
    check_logged(Path(name).stem, tmp_path, (EXAMPLES / name).read_text())


def test_trained_on_crops_and_tested_whole(tmp_path, monkeypatch):
    """Images of different size, in batches of one and padded ones: what they lose on average is the same."""
    monkeypatch.chdir(tmp_path)
    for split, number, i in product(("train", "val"), range(2), range(3)):
        folder = tmp_path / "photos" / split / f"class{number}"
        folder.mkdir(parents=True, exist_ok=True)
        size = [(64, 64, 3), (99, 70, 3), (66, 130, 3)][i]
        noise = np.random.default_rng(i).integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.jpg", quality=75)
    example = ["--config", str(EXAMPLES / "imagenette_narrow_crops.yaml")]
    example += ["--data.root", "photos", "--data.batch_size", "2"]
    for name, narrow in (("luma", "[4, 8]"), ("joint", "[4, 8]"), ("chroma", "[4, 8]"), ("widths", "[4, 4, 4, 4]")):
        example += [f"--model.init_args.backbone.init_args.{name}", narrow]
    main(["fit", *example, *SHORT, "--data.crop", "64", "--data.val_fraction", "0.34"])
    runs = tmp_path / "runs" / "imagenette_narrow_crops"
    (checkpoint,) = runs.glob("version_0/checkpoints/*.ckpt")
    losses = []
    for version, batch_size in ((1, "1"), (2, "6")):
        whole = ["--data.crop", "null", "--data.batch_size", batch_size, "--ckpt_path", str(checkpoint)]
        main(["test", *example, "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false", *whole])
        losses.append(scalars(runs / f"version_{version}")["test_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


LOOKERS = {"own_confound.py"}
"""Scripts that train nothing."""


@pytest.mark.parametrize("name", names("*.py"))
def test_script(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path))
    spec = importlib.util.spec_from_file_location(Path(name).stem, EXAMPLES / name)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    monkeypatch.syspath_prepend(EXAMPLES)  # a spawned process imports the script too
    spec.loader.exec_module(module)
    if name in LOOKERS:
        module.main()
        return
    assert [*inspect.signature(module.main).parameters][-1] == "max_epochs"
    module.main(max_epochs=1)
    assert list(tmp_path.glob("lightning_logs/version_0/checkpoints/*.ckpt"))
