"""Files of learned codecs in the rest of the package: folders, and what the command line tells and draws of them."""

import json
import shutil
import struct
import zlib
from pathlib import Path

import pytest
import torch
import yaml
from jsonargparse import capture_parser

from lossy_lightning.cli import LossyCLI, main
from lossy_lightning.codecs import VQVAE, Factorized, Hyperprior
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


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state_dict": {}}, "does not hold the weights of its Factorized; train"),
        ({"state_dict": None}, "does not hold the weights of its Factorized; train"),
        ({"state_dict": {"codec.other": torch.zeros(1)}}, "does not hold the weights of its Factorized; train"),
        ({"hyper_parameters": None}, "does not say how its codec is made"),
        (
            {"hyper_parameters": {"codec": {"class_path": "torch.nn.Linear"}}},
            "names torch.nn.Linear as its codec, which",
        ),
        ({"hyper_parameters": {"codec": {"class_path": "nowhere.Codec"}}}, "names nowhere.Codec as its codec, which"),
        ({"hyper_parameters": {"codec": {}}}, "names None as its codec, which"),
        (
            {"hyper_parameters": {"codec": MADE | {"init_args": MADE["init_args"] | {"dim": 0}}}},
            "names lossy_lightning.codecs.Factorized as its codec, which is none or refuses its arguments; train",
        ),
    ],
)
def test_a_checkpoint_that_holds_no_such_codec_is_told(written, tmp_path, changes, told):
    content = torch.load(written[0] / "codec.ckpt", weights_only=True) | changes
    present = {name: value for name, value in content.items() if value is not None}
    for held in (content, present):
        torch.save(held, tmp_path / "a.ckpt")
        with pytest.raises(ValueError, match=rf"^the checkpoint .*a.ckpt {told}.*[^\n]$"):
            Factorized.from_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize("kind", [Hyperprior, VQVAE])
def test_a_checkpoint_of_another_codec_names_its_class(written, kind):
    told = f"is no {kind.__name__} but Factorized; take Factorized.from_checkpoint"
    with pytest.raises(ValueError, match=rf"^the codec of the checkpoint .*codec.ckpt {told}$"):
        kind.from_checkpoint(written[0] / "codec.ckpt")


def test_the_command_line_puts_a_checkpoint_in_the_place_of_a_codec(written, tmp_path):
    path = written[0] / "codec.ckpt"
    config = {"model": {"class_path": "lossy_lightning.tasks.RateDistortionTask", "init_args": {"codec": MADE}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    parser = capture_parser(LossyCLI)
    name = "lossy_lightning.codecs.Factorized.from_checkpoint"
    given = ["--model.init_args.codec", name, "--model.init_args.codec.init_args.path", str(path)]
    model = parser.parse_args(["fit", "--config", str(tmp_path / "config.yaml"), *given]).fit.model
    assert model.init_args.codec.as_dict() == {"class_path": name, "init_args": {"path": str(path)}}


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
    codec = ["--codec", "Factorized.from_checkpoint", "--codec.path", str(folder / "codec.ckpt")]
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
