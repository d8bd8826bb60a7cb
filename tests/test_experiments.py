"""Every experiment is what its study says, and runs, only shorter and on made-up data."""

import json
import sys
from pathlib import Path, PurePath

import pytest

from benchmarks.harness import ROOT, STUDIES, arguments, config, foundations, layers, values
from tests.short import check_logged, fit

FAST = {
    *("pixels, float", "cifar10_frequencies", "cifar10_planes_binary", "cifar10_resnet"),
    *("imagenette_narrow_late_concat", "mnist_baseline", "mnist_joint_codes_distilled", "mnist_joint_codes_warm"),
    *("mnist_joint_field", "mnist_vqvae_learned", "speech_spectrogram_resnet", "speech_vq_similarity_binary"),
}
"""A few of each study; the others are `slow`."""


@pytest.fixture(autouse=True)
def _command_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lossy-lightning"])  # Lightning warns of pytest's own


def experiments():
    """Runs that are no example as it stands; those have a test of their own."""
    names = [name for name, files in layers().items() if len(files) > 1 or ROOT / "examples" not in files[0].parents]
    return [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in names]


def test_studies_name_all_files():
    told = {file for files in layers().values() for file in files}
    found = {file for study in STUDIES for file in study.parent.glob("*.yaml")} - {*STUDIES}
    assert len(STUDIES) == 9
    assert found <= told
    assert all(file.is_file() for file in told)


@pytest.mark.parametrize("name", layers())
def test_a_run_has_its_name_and_reads_what_another_leaves(name):
    assert config(name)["trainer"]["logger"]["init_args"]["name"] == name
    read = {value for _, value in values(config(name)) if str(value).endswith(".ckpt")}
    left = {
        str(PurePath(told["init_args"]["dirpath"], told["init_args"]["filename"] + ".ckpt"))
        for earlier in foundations(name)
        for told in config(earlier)["trainer"]["callbacks"]
        if told["class_path"].endswith("ModelCheckpoint")
    }
    assert read == left


@pytest.mark.parametrize("name", experiments())
def test_run(name, tmp_path, tiny_data, tiny_caches, workshop, monkeypatch):
    if "lyra" in name and not (tiny_data / "lyra_v2").is_dir():
        pytest.skip("needs the models of Lyra, lyra_v2/ in $LOSSY_DATA")
    monkeypatch.setenv("LOSSY_DATA", str(tiny_data))
    monkeypatch.chdir(workshop)
    run(name, tiny_data, tmp_path, tiny_caches)
    check_logged(name, tmp_path, json.dumps(config(name)))


def run(name: str, data: Path, folder: Path, cache_dir: Path) -> None:
    """Run an experiment, after those that it builds on if these have not run yet."""
    for earlier in foundations(name):
        if not list(Path("runs", earlier).glob("*.ckpt")):
            run(earlier, data, folder / "earlier", cache_dir)
    fit(arguments(name), data, folder, cache_dir)
