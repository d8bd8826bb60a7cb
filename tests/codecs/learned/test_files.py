"""Files of learned codecs in the rest of the package: folders, and what the command line tells and draws of them."""

import json
import shutil
import struct
import zlib
from pathlib import Path

import pytest
import torch

from lossy_lightning.cli import main
from lossy_lightning.codecs import Factorized
from lossy_lightning.data import CodedFolder
from lossy_lightning.inspection import describe, open_file
from lossy_lightning.nn import WaveletDecoder, WaveletEncoder

MADE = {
    "class_path": "lossy_lightning.codecs.Factorized",
    "init_args": {
        "encoder": {"class_path": "lossy_lightning.nn.WaveletEncoder", "init_args": {"dim": 12}},
        "decoder": {"class_path": "lossy_lightning.nn.WaveletDecoder", "init_args": {"dim": 12, "hidden": []}},
        "dim": 12,
        "exact": False,
    },
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A checkpoint, and folders of files that its codec wrote."""
    torch.manual_seed(0)
    codec = Factorized(WaveletEncoder(12), WaveletDecoder(12, hidden=()), dim=12, exact=False)
    folder = tmp_path_factory.mktemp("learned")
    state = {f"codec.{name}": tensor for name, tensor in codec.state_dict().items()}
    torch.save({"hyper_parameters": {"codec": MADE}, "state_dict": state}, folder / "codec.ckpt")
    images = torch.randint(0, 256, (4, 3, 32, 40), dtype=torch.uint8)
    codes = codec.encode(images)
    for i, code in enumerate(codes):
        path = folder / "photos" / ("train", "test")[i // 2] / f"class{i % 2}" / f"{i}.llnc"
        path.parent.mkdir(parents=True)
        path.write_bytes(codec.write(code, (3, 32, 40)))
    return folder, codes


def test_a_folder_of_files_is_read_to_codes(written):
    folder, codes = written
    codec = Factorized.from_checkpoint(folder / "codec.ckpt")
    data = CodedFolder(codec, folder / "photos", batch_size=2)
    data.prepare_data()
    data.setup("test")
    code, target, *_ = next(iter(data.test_dataloader()))
    assert torch.equal(code, codes[2:])
    assert target.tolist() == [0, 1]


def test_a_file_that_tells_more_values_than_it_holds_is_bad(written, tmp_path):
    folder, _ = written
    shutil.copytree(folder / "photos", tmp_path / "photos")
    path = tmp_path / "photos" / "train" / "class0" / "0.llnc"
    data = path.read_bytes()
    body = data[:14] + struct.pack("<3I", 3, 1, 2**26) + data[26:-4]
    path.write_bytes(body + struct.pack("<I", zlib.crc32(body)))
    data = CodedFolder(Factorized.from_checkpoint(folder / "codec.ckpt"), tmp_path / "photos", batch_size=2)
    with pytest.raises(ValueError, match="bytes at least; it holds"):
        data.prepare_data()


def test_tensors_are_hashed_once_for_many_files(written, monkeypatch):
    folder, codes = written
    codec, hashed = Factorized.from_checkpoint(folder / "codec.ckpt"), []
    fingerprint = codec.fingerprint()
    monkeypatch.setattr(Factorized, "fingerprint", lambda self: hashed.append(self) or fingerprint)
    files = [path.read_bytes() for path in sorted((folder / "photos" / "test").glob("*/*.llnc"))]
    rows = torch.empty_like(codes[2:])
    assert codec.read_into(files, [*rows]) == [None, None]
    assert torch.equal(rows, codes[2:])
    assert len(hashed) == 1
    codec.read(files[0])
    assert len(hashed) == 2


def test_the_command_line_tells_and_draws_files(written, capsys):
    folder, codes = written
    file = str(folder / "photos" / "train" / "class0" / "0.llnc")
    codec = ["--codec", "lossy_lightning.codecs.Factorized.from_checkpoint", "--codec.path", str(folder / "codec.ckpt")]
    main(["info", file, "--json", *codec])
    (told,) = json.loads(capsys.readouterr().out)
    assert told["signal"] == [3, 32, 40]
    assert told["format"] == "learned"
    assert told["bits_per_pixel"] == 8 * told["bytes"] / 1280 == 8 * Path(file).stat().st_size / 1280
    assert told["code"]["shape"] == [12, 4, 5]
    assert [field["name"] for field in told["code"]["fields"]] == ["latents"]
    with pytest.raises(ValueError, match="needs its checkpoint"):
        describe(file)
    main(["show", file, "--output", str(folder / "code.png"), *codec])
    assert (folder / "code.png").stat().st_size
    assert torch.equal(open_file(file, Factorized.from_checkpoint(folder / "codec.ckpt")).code, codes[0])
