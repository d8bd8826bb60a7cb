"""Networks written for other programs, and files told by them."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from lossy_lightning.cli import main
from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.deploy import OnnxNetwork, PackedNetwork, export_qonnx, network_codec
from lossy_lightning.nn import MLP, Bits
from lossy_lightning.tasks import ClassificationTask


@pytest.fixture
def checkpoint(run, tmp_path):
    run("fit", "--test_after_fit", "false")
    return sorted(tmp_path.rglob("*.ckpt"))[0]


@pytest.fixture
def digit(tmp_path):
    image = torch.randint(0, 256, (8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    Image.fromarray(image.numpy()).save(tmp_path / "digit.png")
    return str(tmp_path / "digit.png")


def told_files(arguments, capsys):
    """What ``predict-files --json`` says of each file."""
    capsys.readouterr()
    main(["predict-files", "--json", *map(str, arguments)])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refused(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    return str(error.value) + capsys.readouterr().err


def test_a_packed_network_tells_files_as_its_checkpoint_does(checkpoint, digit, tmp_path, capsys):
    packed = tmp_path / "networks" / "digits.packed"
    main(["export", "--checkpoint", str(checkpoint), "--format", "packed", "--output", str(packed)])
    network = PackedNetwork.load(packed)
    assert network.classes == tuple("0123456789")
    assert network_codec(network).levels == 8
    capsys.readouterr()
    told = []
    for path in (packed, checkpoint):
        main(["predict-files", "--network", str(path), "--json", digit])
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1]
    assert sum(told[0]["probabilities"].values()) == pytest.approx(1)
    main(["predict-files", "--network", str(packed), digit])
    assert told[0]["class"] in capsys.readouterr().out.split(":")[1].split()[0]


def test_an_onnx_file_tells_files_as_its_checkpoint_does(checkpoint, digit, tmp_path, capsys):
    pytest.importorskip("onnxruntime", reason="needs lossy-lightning[onnx]")
    written = tmp_path / "digits.onnx"
    main(["export", "--checkpoint", str(checkpoint), "--format", "onnx", "--output", str(written)])
    network = OnnxNetwork(written)
    assert network.classes == tuple("0123456789")
    assert network.shape == (1, 4, 4)
    with pytest.raises(InputError, match=r"integer codes \(N, 1, 4, 4\); got int64 \(2, 1, 4, 5\)"):
        network.predict(torch.zeros(2, 1, 4, 5, dtype=torch.long))
    capsys.readouterr()
    told = []
    for path in (written, checkpoint):
        main(["predict-files", "--network", str(path), "--json", digit])
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1]
    foreign = tmp_path / "foreign.onnx"
    foreign.write_bytes(written.read_bytes().replace(b"lossy_lightning", b"other_programme"))
    assert "is of another program than" in refused(["predict-files", "--network", str(foreign), digit], capsys)
    foreign.write_bytes(written.read_bytes()[:2000])
    assert "onnxruntime runs no file" in refused(["predict-files", "--network", str(foreign), digit], capsys)


def test_a_qonnx_file_is_told(tmp_path, digit, capsys):
    pytest.importorskip("onnxruntime", reason="needs lossy-lightning[onnx]")
    spec = CodeSpec.uniform((1, 4, 4), 0, 7, ordinal=False)
    export_qonnx(ClassificationTask(spec, 10, stem=Bits, backbone=MLP), tmp_path / "digits.qonnx")
    told = refused(["predict-files", "--network", str(tmp_path / "digits.qonnx"), digit], capsys)
    assert "is a QONNX file, whose operations onnxruntime has not: export the network with" in told


VERSION = {"state_dict": {}, "pytorch-lightning_version": "2.6"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (VERSION | {"hyper_parameters": {"lr": 0.1}}, "does not say what stem and backbone its network has"),
        (torch.nn.Linear(2, 2), r"plain values, torch.nn.modules.linear.Linear among it, so it is not read: name a"),
        (torch.nn.Linear(2, 2).state_dict(), "is no checkpoint of Lightning"),
    ],
)
def test_files_of_others_are_told(content, expected, tmp_path, digit, capsys):
    torch.save(content, tmp_path / "module.pt")
    told = refused(["predict-files", "--network", str(tmp_path / "module.pt"), digit], capsys)
    assert told.startswith(f"lossy-lightning: --network is {tmp_path / 'module.pt'}, which ")
    assert expected in told


def test_names_of_no_network_are_told(tmp_path, digit, capsys):
    assert "there is no network ''; write one" in refused(["predict-files", "--network", "", digit], capsys)
    assert "a folder: name the file" in refused(["predict-files", "--network", str(tmp_path), digit], capsys)


def test_mistakes_are_told_in_a_sentence(checkpoint, digit, tmp_path, capsys):
    packed = tmp_path / "digits.packed"
    assert "no network" in refused(["predict-files", "--network", str(packed), digit], capsys)
    assert "no file of a packed network" in refused(["predict-files", "--network", digit, digit], capsys)
    main(["export", "--checkpoint", str(checkpoint), "--format", "packed", "--output", str(packed)])
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    Image.new("L", (9, 12)).save(tmp_path / "large.png")
    files = [str(tmp_path / name) for name in ("red.png", "large.png", "none.png")]
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(["predict-files", "--network", str(packed), "--json", files[0], digit, *files[1:]])
    assert str(stopped.value).splitlines() == [
        "lossy-lightning: 3 of 4 files cannot be told:",
        f"  {files[0]} has colours; the network was trained on grey images",
        f"  {files[1]} has a signal of 1 x 12 x 9; the network was trained on those of 1 x 8 x 8",
        f"  {files[2]} is not there; name a file",
    ]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [files[0], digit, *files[1:]]
    assert ["error" in line for line in lines] == [True, False, True, True]


def images(root, ending):
    """Two classes of images, larger than the crop."""
    random = np.random.default_rng(0)
    for i in range(8):
        path = root / ("train", "test")[i % 2] / f"class{i // 4}" / f"{i}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40 + i, 51, 3), dtype=np.uint8)).save(path)


def sounds(root):
    """Two classes of sounds, longer and shorter than the crop."""
    random = np.random.default_rng(0)
    for i in range(8):
        path = root / ("train", "test")[i % 2] / f"class{i // 4}" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, random.uniform(-1, 1, 300 + 100 * i), 4000)


CODED = {"codec": {"class_path": "lossy_lightning.codecs.JPEG"}, "crop": 32}
DECODED = {"codec": {"class_path": "lossy_lightning.codecs.PCM"}, "size": [6, 8]}
SOUNDS = {
    "codec": {"class_path": "lossy_lightning.codecs.PCM", "init_args": {"bit_width": 16}},
    "sample_rate": 2000,
    "seconds": 0.25,
}


@pytest.mark.parametrize(
    ("name", "given"),
    [("JPEGFolder", CODED), ("ImageFolder", DECODED), ("AudioFolder", SOUNDS)],
    ids=["stored", "decoded", "sounds"],
)
def test_files_are_cropped_as_in_test(name, given, run, tmp_path, capsys):
    root = tmp_path / "files"
    sounds(root) if name == "AudioFolder" else images(root, ".jpg")
    places = {"root": str(root), "cache_dir": str(tmp_path / "cache"), "batch_size": 8}
    data = {"class_path": f"lossy_lightning.data.{name}", "init_args": given | places}
    run("fit", "--test_after_fit", "false", data=data)
    checkpoint = sorted(tmp_path.rglob("*.ckpt"))[0]
    run("predict", "--ckpt_path", str(checkpoint), data=data)
    (table,) = tmp_path.rglob("predictions.csv")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    files = [row["example"] for row in rows]
    assert len(files) == 4
    moved = shutil.move(root, tmp_path / "moved")  # a network is told of its data by its file alone
    networks = [checkpoint]
    if name == "ImageFolder":  # the others have tables of many values, which take long to pack
        networks.append(tmp_path / "network.packed")
        main(["export", "--checkpoint", str(checkpoint), "--format", "packed", "--output", str(networks[1])])
    there = [file.replace(str(root), str(moved)) for file in files]
    for network in networks:
        for row, told in zip(rows, told_files(["--network", network, *there], capsys), strict=True):
            assert told["class"] == row["class"]
            got = [told["probabilities"][label] for label in ("class0", "class1")]
            assert got == pytest.approx([float(row["class0"]), float(row["class1"])], abs=1e-4)
    if name == "AudioFolder":
        return
    Image.new("RGB", (16, 5)).save(tmp_path / "small.jpg")
    small = refused(["predict-files", "--network", str(networks[-1]), str(tmp_path / "small.jpg")], capsys)
    assert "less than the crop of 32 x 32" in small or "smaller than size=(6, 8)" in small
