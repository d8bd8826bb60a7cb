"""Networks that the package ships."""

import pickle
import tomllib
from pathlib import Path

import pytest
import torch

from benchmarks.harness import ROOT
from benchmarks.weights import ROWS, data_of, interval_of_table, share_right, table
from lossy_lightning import weights
from lossy_lightning.codecs import Lyra
from lossy_lightning.core import MissingFileError
from lossy_lightning.weights import Card
from lossy_lightning.weights.shipped import FOLDER

NAMES = weights.list()


def load(name, data_root):
    """A network; those on Lyra's tokens need Google's models."""
    return weights.load(name, data_root / "lyra_v2" if "lyra" in name else None)


def test_there_are_eight_or_more_and_they_are_small():
    assert len(NAMES) >= 8
    assert set(NAMES) <= set(ROWS)
    sizes = {path.name: path.stat().st_size for path in FOLDER.glob("*.*") if path.suffix != ".py"}
    assert sorted(sizes) == sorted(f"{name}.{kind}" for name in NAMES for kind in ("json", "safetensors"))
    assert sum(sizes.values()) < 5e6


def test_the_wheel_has_them():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    held = {path for pattern in patterns["lossy_lightning"] for path in FOLDER.parent.glob(pattern)}
    assert {path for path in FOLDER.iterdir() if path.suffix in (".json", ".safetensors")} <= held


@pytest.mark.parametrize("name", [name for name in NAMES if "lyra" not in name])
def test_loading_unpickles_nothing(name, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("unpickled")

    for place, function in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(place, function, refuse)
    task, codec, classes, card = weights.load(name)
    assert not any(module.training for module in task.modules())
    assert task.spec.fields == codec.spec(_signal(codec)).fields
    assert task.num_classes == len(classes) == len(set(classes))
    code = torch.tensor(task.spec.low).view(1, -1, *[1] * len(task.spec.grid))
    code = code.expand(2, -1, *(size or 28 for size in task.spec.grid)).to(task.spec.dtype)
    with torch.no_grad():
        assert task(code).shape == (2, len(classes))
    assert card.bytes == (FOLDER / f"{name}.safetensors").stat().st_size
    assert task.origin.loaded
    assert codec.spec(tuple(task.origin.state["signal_form"]["shape"])).shape == task.spec.shape


def _signal(codec):
    """Shape of a signal that any codec of these takes."""
    sound = codec.sample_rate is not None or "Spectrogram" in repr(codec)
    return (1, None) if sound else (3 if "JPEG" in repr(codec) else 1, 32, 32)


@pytest.mark.parametrize("name", NAMES)
def test_cards_agree_with_the_tables_of_their_recipes(name):
    card = Card.from_json((FOLDER / f"{name}.json").read_text())
    mean, deviation = card.table
    assert card.table == interval_of_table(ROWS[name].place)
    assert abs(card.accuracy - mean) <= deviation
    low, high = card.interval
    assert low < card.accuracy < high
    assert card.title == ROWS[name].title
    assert Card.from_json(card.to_json()) == card
    assert f"{card.accuracy:.2f} %" in str(card)


def test_the_page_shows_all_cards():
    text = (ROOT / "docs" / "weights.md").read_text()
    for row in table():
        assert "| " + " | ".join(row) + " |" in text, "run python -m benchmarks.weights --update docs/weights.md"


def test_lyras_models_may_lie_anywhere(data_root, tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert", reason="needs lossy-lightning[lyra]")
    monkeypatch.delenv("LOSSY_DATA")
    (name,) = [name for name in NAMES if "lyra" in name]
    assert isinstance(weights.load(name, data_root.absolute() / "lyra_v2").codec, Lyra)
    with pytest.raises(FileNotFoundError, match="pass its folder as model_dir"):
        weights.load(name, tmp_path)
    with pytest.raises(ValueError, match="VQ has no models; leave model_dir out"):
        weights.load("digits-vq-lookup", tmp_path)


def test_a_name_that_is_none_is_told():
    with pytest.raises(ValueError, match=r"there is no network 'digits'; there are .*digits-vq"):
        weights.load("digits")


def test_what_is_no_card_is_told():
    for text in ("", "{}", "[]", '{"macs": 3}'):
        with pytest.raises(ValueError, match="no card of a network"):
            Card.from_json(text)


def test_digits_are_told_as_the_card_says(tmp_path, monkeypatch):
    network = weights.load("digits-vq-lookup")
    share = share_right(network.task, data_of("digits-vq-lookup", network.codec))
    assert 100 * share == pytest.approx(network.card.accuracy, abs=0.006)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "digits-vq-lookup"])
@pytest.mark.filterwarnings("ignore")
def test_accuracies_are_those_of_the_cards(name, data_root):
    """Codes of Lyra depend on the processor in their last stages, sums of floats in their last bits."""
    if "lyra" in name:
        pytest.importorskip("ai_edge_litert", reason="needs lossy-lightning[lyra]")
    try:
        network = load(name, Path(data_root).absolute())
        share = share_right(network.task, data_of(name, network.codec))
    except MissingFileError as error:
        pytest.skip(f"needs the data: {error}")
    assert 100 * share == pytest.approx(network.card.accuracy, abs=0.5 if "lyra" in name else 0.2)
