"""The study of least attacks on made-up images: each route changes a file, and each table has its rows."""

import pytest
import torch
from torch import nn

from experiments.attack import checks, search
from experiments.attack.batch import attack_batch
from experiments.attack.claim import claims
from experiments.attack.pictures import draw
from experiments.attack.routes import Images
from experiments.attack.sound import SHAPE, Sounds
from experiments.attack.tables import TABLES
from experiments.attack.vq import Digits
from lossy_lightning.codecs import MP3, VQ
from lossy_lightning.core import CodeSpec
from lossy_lightning.nn import OneHot, SpectralBands


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(search, "ITERATIONS", 2)
    monkeypatch.setattr(search, "QUERIES", 2)
    monkeypatch.setattr(checks, "STUDENT_QUERIES", 0)
    monkeypatch.setattr(checks, "QUERIES", 2)


def right_examples(nets, medium, signal):
    """Examples to which both networks give the same class, and that class."""
    clean = medium.write(medium.encode(signal))
    with torch.no_grad():
        answers = [nets[kind](medium.read(kind == "samples", clean)).argmax(1) for kind in ("samples", "codes")]
    return signal, answers[0], answers[1]


def linear(inputs: int) -> nn.Module:
    layers = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 3)).eval().requires_grad_(False)
    return layers


@pytest.mark.slow
def test_images_and_tables(tmp_path):
    torch.manual_seed(0)
    medium, nets = Images(75), {"samples": linear(3072), "codes": linear(3072)}
    signal = torch.nn.functional.interpolate(torch.rand(40, 3, 4, 4), size=32, mode="bilinear").mul(255).to(torch.uint8)
    signal, own, other = right_examples(nets, medium, signal)
    signal, target = signal[own == other][:4], own[own == other][:4]
    assert len(signal) == 4
    columns, signals = attack_batch(medium, nets, signal, target, 0)
    assert {key.split(": ")[1] for key in columns} == {"samples", "coded samples", "codes"}
    for key, column in columns.items():
        assert all(float(size) > 0 for size in column["size"].split()), key
        clean = signals[key] if "samples: samples" in key else medium.encode(signals[key])
        assert len(clean) == 4
    check = checks.self_check(medium, nets, signal, target, columns, 0)
    part = {"columns": columns, "claims": claims(medium, nets, signal, target), "check": check, "seconds": 0.0}
    figures = {("q75", seed, 0): part for seed in (0, 1)}
    figures |= {("q75", seed, kind): {"accuracy": 0.6, "macs": 1e6} for seed in (0, 1) for kind in nets}
    rows = {name: table(figures) for name, table in TABLES.items()}
    assert {name: len(found) for name, found in rows.items()} == {
        "networks": 3, "primary": 15, "details": 13, "frequencies": 11, "sounds": 1, "claims": 6, "checks": 6,
    }  # fmt: skip
    assert all(len(row) == len(found[0]) for found in rows.values() for row in found)
    for seed in (0, 1):
        folder = tmp_path / "q75" / f"seed{seed}"
        folder.mkdir(parents=True)
        torch.save({"clean": signal, **signals}, folder / "batch0.pt")
    draw(figures, tmp_path, tmp_path)
    assert {file.suffix for file in tmp_path.glob("attack_q75*")} == {".svg", ".png"}


@pytest.mark.slow
def test_digits():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (40, 1, 7, 7)).repeat_interleave(4, 2).repeat_interleave(4, 3).to(torch.uint8)
    medium = Digits(VQ((4, 4), 16).fit([images]))
    stem = OneHot(CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False))
    nets = {"samples": linear(784), "codes": nn.Sequential(stem, linear(784))}
    signal, own, other = right_examples(nets, medium, images)
    signal, target = signal[own == other][:4], own[own == other][:4]
    columns, _ = attack_batch(medium, nets, signal, target, 0)
    check = checks.self_check(medium, nets, signal, target, columns, 0)
    assert set(check) == {key.rsplit(": ", 1)[0] for key in columns}
    figures = {("vq", 0, 0): {"columns": columns, "claims": {}, "check": check, "seconds": 0.0}}
    told = {row[1] + row[2]: row for row in TABLES["checks"](figures)}
    assert told["codescodes"][-1] == ""
    assert float(told["codescoded samples"][-1]) >= 0
    assert set(columns) == {
        "samples: samples: greatest", "samples: samples: number", "samples: coded samples: greatest",
        "samples: codes: number", "codes: coded samples: greatest", "codes: codes: number",
    }  # fmt: skip
    assert all(float(size) > 0 for size in columns["codes: codes: number"]["size"].split())


@pytest.fixture(scope="module")
def sounds():
    """The medium, and noises that fade in."""
    noise = torch.randn(12, *SHAPE, generator=torch.Generator().manual_seed(0))
    return Sounds(MP3(32, 16_000)), (noise * torch.linspace(0, 3000, SHAPE[1])).to(torch.int16)


def test_levels_of_sounds_that_are_not_rounded_are_near_those_of_the_file(sounds):
    medium, signal = sounds
    code = medium.encode(signal)
    levels = code[:, :576].float()
    loud = levels.abs() > 3
    assert (medium.fold(signal.float(), code)[:, :576] - levels)[loud].abs().median() < 0.5
    assert (medium.at_gains(code, medium.decode(code)) == code).float().mean() > 0.98
    assert (medium.unfold(code.float()) - medium.decode(code)).abs().max() < 0.51


def test_levels_that_no_file_holds_fool_nothing(sounds):
    medium, signal = sounds
    code = medium.encode(signal[:2])
    moved = code.clone()
    moved[1, :576, 10] = 8000
    assert medium.fits(moved).tolist() == [True, False]
    net = nn.Sequential(SpectralBands(medium.spec, 16_000, 64, 7000), linear(64 * 30)).eval()
    (route,) = [found for found in medium.routes(False, net, signal[:2]) if found.name == "codes"]
    with torch.no_grad():
        wrong = (net(moved).argmax(1) + 1) % 3
    assert route.fooled(moved, wrong).tolist() == [True, True]
    assert route.fooled_by_files(moved, wrong).tolist() == [True, False]


@pytest.mark.slow
def test_sounds(sounds, tmp_path):
    medium, signal = sounds
    torch.manual_seed(0)
    stem = SpectralBands(medium.spec, 16_000, 64, 7000)
    nets = {"samples": linear(16_000), "codes": nn.Sequential(stem, linear(64 * 30)).eval().requires_grad_(False)}
    signal, own, other = right_examples(nets, medium, signal)
    signal, target = signal[own == other][:2], own[own == other][:2]
    columns, signals = attack_batch(medium, nets, signal, target, 0)
    assert {key for key in columns if key.startswith("codes")} == {
        "codes: coded samples: greatest", "codes: codes: greatest", "codes: codes: number",
    }  # fmt: skip
    assert all({"snr", "lsd"} <= set(column) for column in columns.values())
    assert all(found.dtype == torch.int16 for found in signals.values())
    figures = {("speech", 0, 0): {"columns": columns, "claims": {}, "check": {}, "seconds": 0.0}}
    assert {name: len(table(figures)) for name, table in TABLES.items()}["sounds"] == 3 + len(columns)
    folder = tmp_path / "speech" / "seed0"
    folder.mkdir(parents=True)
    torch.save({"clean": medium.write(medium.encode(signal)).signal, **signals}, folder / "batch0.pt")
    draw(figures, tmp_path, tmp_path)
    assert {file.name for file in tmp_path.glob("attack_*")} == {"attack_speech.svg", "attack_speech_cases.png"}
