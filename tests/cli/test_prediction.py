"""Networks written for other programs, and files told by them."""

import json

import pytest
import torch
from PIL import Image

from lossy_lightning.cli import main
from lossy_lightning.core import InputError
from lossy_lightning.deploy import OnnxNetwork, PackedNetwork, network_codec


@pytest.fixture
def checkpoint(run, tmp_path):
    run("fit", "--test_after_fit", "false")
    return sorted(tmp_path.rglob("*.ckpt"))[0]


@pytest.fixture
def digit(tmp_path):
    image = torch.randint(0, 256, (8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    Image.fromarray(image.numpy()).save(tmp_path / "digit.png")
    return str(tmp_path / "digit.png")


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


def test_mistakes_are_told_in_a_sentence(checkpoint, digit, tmp_path, capsys):
    packed = tmp_path / "digits.packed"
    assert "no network" in refused(["predict-files", "--network", str(packed), digit], capsys)
    assert "no file of a packed network" in refused(["predict-files", "--network", digit, digit], capsys)
    main(["export", "--checkpoint", str(checkpoint), "--format", "packed", "--output", str(packed)])
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    told = refused(["predict-files", "--network", str(packed), str(tmp_path / "red.png")], capsys)
    assert "red.png: this VQ was fitted to signals of 1 channels" in told
    Image.new("L", (9, 12)).save(tmp_path / "large.png")
    assert "large.png" in refused(["predict-files", "--network", str(packed), str(tmp_path / "large.png")], capsys)
