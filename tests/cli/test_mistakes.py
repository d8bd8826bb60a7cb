"""What a user sees of a mistake: one sentence, and no traceback."""

import errno
import sys
from pathlib import Path

import pytest
import torch
import yaml
from jsonargparse import capture_parser
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel

from lossy_lightning.cli import LossyCLI, main
from lossy_lightning.cli._foreign import told
from lossy_lightning.cli._names import short_names
from lossy_lightning.cli.commands import NAMES
from lossy_lightning.codecs import VQ
from lossy_lightning.core import InputError
from tests.cli.digits import BORING, TASK


@pytest.fixture(scope="module")
def parser():
    """The parser, which takes a while to make."""
    return capture_parser(lambda: LossyCLI(parser_kwargs={"prog": "lossy-lightning"}))


def init_args(class_path, **arguments):
    return {"class_path": class_path, "init_args": arguments}


def task(**arguments):
    return {"model": init_args("ClassificationTask", **TASK["init_args"] | arguments)}


def digits(**arguments):
    return {"data": init_args("Digits", **{"codec": "PCM"} | arguments)}


GDN = init_args("GDNEncoder", dim=4, hidden="abc")


def backbone(shape, num_classes):
    """A function that does not say what it returns."""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            digits(batchsize=3),
            "data has no option 'batchsize'; did you mean 'batch_size'? (help: FIT --data.help Digits)",
        ),
        (
            {"trainer": {"max_epoch": 3}},
            "this command has no option 'trainer.max_epoch'; did you mean 'trainer.max_epochs'? (help: FIT --help)",
        ),
        (task(stem=init_args("Embed", dims=3)), "model.stem has no option 'dims'; did you mean 'dim'?"),
        (task(backbone=init_args("MLP", hidden=[3])), "model.backbone has no option 'hidden'; it has hidden_features,"),
        (
            {"data": "lossy_lightning.data.Digit"},
            "data is lossy_lightning.data.Digit, but lossy_lightning.data has no Digit; did you mean 'Digits'? (help",
        ),
        (digits(codec="PMC"), "data.codec is 'PMC', which names no class that fits; did you mean 'PCM'?"),
        (
            digits(codec=init_args("VQ", block=[2, 2], level=8)),
            "data.codec has no option 'level'; did you mean 'levels'? (help: FIT --data Digits --data.codec.help VQ)",
        ),
        (
            task(stem="lossy_lighning.nn.Bits"),
            "model.stem: there is no module 'lossy_lighning'; did you mean 'lossy_lightning'?",
        ),
        (task(stem="nowhere.Bits"), "model.stem: there is no module 'nowhere'; is its package installed,"),
        (task(backbone="MPL"), "model.backbone is 'MPL', which names no class that fits; did you mean 'MLP'?"),
        (task(optimizer="Adamm"), "model.optimizer is 'Adamm', which names no class that fits; did you mean 'Adam'?"),
        (task(optimizer=1e-3), "model.optimizer is 0.001; it takes a class or a function, by name, or its class_path"),
        (
            task(backbone=f"{__name__}.backbone"),
            f"model.backbone is {__name__}.backbone, a function that does not say what it returns;",
        ),
        (
            digits(codec="Bits"),
            "data.codec is 'Bits', which names no class that fits; it is one of",
        ),
        (
            {"model": init_args("RateDistortionTask", codec="VQ")},
            "model.codec is 'VQ', which names no class that fits; it is one of the codecs; give Factorized or",
        ),
        (
            {"model": init_args("RateDistortionTask", codec="NonlinearTransform")},
            "model.codec is NonlinearTransform, which is abstract; give Factorized or Hyperprior (help",
        ),
        (digits(codec="lossy_lightning.core.Codec"), "data.codec is Codec, which is abstract; give "),
        (
            digits(codec=init_args("VQ", block="abc", levels=8)),
            "data.codec.block is 'abc'; it takes tuple[int, ...] (help",
        ),
        (
            {"model": init_args("RateDistortionTask", codec=init_args("Factorized", encoder=GDN))},
            "model.codec.encoder.hidden is 'abc'; it takes list[int] (help",
        ),
        (
            digits(codec="Factorized.from_checkpoint"),
            "data.codec needs path, which nothing sets (help",
        ),
        ({"data": ["Digits"]}, "data is ['Digits']; it takes a class or a function, by name, or its class_path and"),
        (
            {"data": init_args("AudioFolder", codec="PCM", root=".", sample_rate=8000, bad_files="SKIPP")},
            "data.bad_files is 'SKIPP'; it takes REFUSE, SKIP, LENIENT; did you mean 'SKIP'?",
        ),
        (digits(batch_size="many"), "data.batch_size is 'many'; it takes int (help"),
        ({"trainer": {"precision": "fp17"}}, "trainer.precision is 'fp17'; it takes 64, 32, 16, 'transformer-engine',"),
        ({"seed_everything": "abc"}, "seed_everything is 'abc'; it takes bool, int (help: FIT --help)"),
        (
            {"trainer": {"callbacks": ["ComplexityMonitr"]}},
            "trainer.callbacks is 'ComplexityMonitr', which names no class that fits; did you mean",
        ),
        (
            {"model": init_args("ClassificationTask", backbone="MLP")},
            "model needs stem, which nothing sets (help: FIT --model.help",
        ),
        (digits(), "this command needs model, which nothing sets"),
    ],
)
def test_a_mistake_in_a_configuration(parser, given, expected, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(given))
    with pytest.raises(InputError) as caught, short_names():
        parser.parse_args(["fit", "--config", str(config)])
    assert str(caught.value).startswith(expected.replace("FIT", "lossy-lightning fit"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("model:\n\tclass_path: x", "found character that cannot start any token (indent by spaces, not by tabs)"),
        ("model: [a", "did not find expected ',' or ']', in line 2, column 1"),
    ],
)
def test_a_configuration_that_is_no_yaml(parser, content, expected, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(content)
    with pytest.raises(InputError) as caught:
        parser.parse_args(["fit", "--config", str(config)])
    assert str(caught.value).startswith(f"a configuration is no YAML: {expected}")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], "a subcommand is missing: fit, validate, test, predict, info"),
        (["repot", "logs"], "'repot' is no subcommand; did you mean 'report'? (help: lossy-lightning --help)"),
        (["train"], "'train' is no subcommand; there are fit, validate, test, predict, info"),
        (["fit", "--config", "none.yaml"], "config is "),
        (["fit", "--trainer.max_epoch", "3"], "this command has no option 'trainer.max_epoch'; did you mean"),
    ],
)
def test_a_mistake_on_the_command_line(parser, given, expected):
    with pytest.raises(InputError) as caught:
        parser.parse_args(given)
    assert str(caught.value).startswith(expected)


def test_help_names_our_classes(parser, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(["fit", "--help"])
    page = capsys.readouterr().out
    for name in ("ClassificationTask", "Digits", "JPEG", "Bits", "MLP", "MCUFlip", "GradientAttackMonitor"):
        assert f" {name}" in page[page.index("Classes of this package") :]
    assert "EncodedDataModule" not in page[page.index("Classes of this package") :]


def test_help_names_all_commands(parser):
    page = parser.format_help()
    for name in NAMES:
        assert f"lossy-lightning {name}" in page


def test_help_of_data_without_a_class_names_some(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["fit", "--data.help"])
    assert caught.value.code == 0
    assert "Digits" in capsys.readouterr().out


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("lossy-lightning 0.")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("none.ckpt", None, "but there is no such file"),
        ("text.ckpt", b"model: x", "which is no checkpoint, or only a part of one"),
        ("folder/", None, "a folder; give a file in it"),
        ("weights.ckpt", {"weight": torch.zeros(2)}, "which is no checkpoint of Lightning"),
        ("array.ckpt", {"state_dict": Path("x")}, "which holds more than weights and plain values, pathlib.* among it"),
        ("best", None, "which only the process of the fit knows"),
    ],
)
def test_a_checkpoint_that_is_none(run, tmp_path, name, content, expected):
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(SystemExit, match=f"^lossy-lightning: ckpt_path is .*{expected}"):
        run("test", "--ckpt_path", name if name == "best" else str(path))


def annotated(shape, num_classes) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, num_classes))


def test_a_function_is_named_alone(run):
    part = f"{__name__}.annotated"
    with pytest.raises(SystemExit, match="called before shape and num_classes are known; name it alone, backbone: "):
        run("fit", model=task(backbone={"class_path": part})["model"])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "No space left on device: a/b; free some space, or"),
        (OSError(errno.EROFS, "Read-only file system", "a"), "Read-only file system: a; choose another folder"),
        (torch.OutOfMemoryError("CUDA out of memory.\nmore"), "the device has no memory left; lower --data.batch_size"),
        (MisconfigurationException("No supported gpu backend found!"), "No supported gpu backend found: PyTorch sees"),
        (InputError("Caught InputError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
                    "  File x\nlossy_lightning.core.errors.InputError: a.wav is broken\n"), "a.wav is broken"),
        (RuntimeError("Early stopping conditioned on metric `x` which is not available."), "Early stopping condit"),
        (RuntimeError("Error(s) in loading state_dict for X:\n\tsize"), "the checkpoint is of another network than"),
        (RuntimeError("a bug"), None),
        (OSError("no number"), None),
        (ValueError("a bug"), None),
    ],
)  # fmt: skip
def test_errors_of_the_machine(error, expected):
    sentence = told(error)
    assert sentence == expected or sentence.startswith(expected)


@pytest.mark.parametrize("option", ["--data.cache_dir", "--trainer.default_root_dir"])
def test_files_that_may_not_grow_are_one_sentence(run, tmp_path, option):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with pytest.raises(SystemExit, match=r"ulimit -f|larger than this system allows"):
            run("fit", option, str(tmp_path / "small"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


PIXELS = init_args("lossy_lightning.codecs.PCM")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["--data.codec.levels", "0"],
            "VQ needs a block of at least one sample, such as (4, 4), and 2 to 65536 levels; got block=(2, 2)",
        ),
        (
            ["--data.codec", "lossy_lightning.codecs.JPEG", "--data.codec.quality", "0"],
            "a JPEG quality is a whole number from 1 to 100; got 0",
        ),
        (["--data.batch_size", "0"], "batch_size is a whole number of at least 1; got 0"),
        (
            ["--data.codec.levels", "65536", "--model.stem", "lossy_lightning.nn.OneHot"],
            "OneHot of this code would have 65536 one-hot channels, more than 65535; use Scale or Bits instead",
        ),
        (
            ["--data", f"{BORING}.BoringDataModule"],
            "a task needs the CodeSpec of its codes and the number of classes; got spec=None, num_classes=None: take",
        ),
    ],
)
def test_a_mistake_is_one_sentence(run, changes, message):
    with pytest.raises(SystemExit) as caught:
        run("fit", *changes)
    assert caught.value.code.startswith(f"lossy-lightning: {message}")
    assert "\n" not in caught.value.code


def test_missing_data_are_one_sentence(run, tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    def download(self):
        raise RuntimeError("Error downloading train-images.gz:\nTried here\nTried there")

    monkeypatch.setattr(MNIST, "download", download)
    data = init_args("lossy_lightning.data.MNIST", root=str(tmp_path / "none"), codec=PIXELS)
    with pytest.raises(SystemExit, match=rf": the MNIST/raw files are not in {tmp_path}/none, and cannot be .*[^\n]$"):
        run("fit", data=data)


def test_a_mistake_told_has_its_traceback_where_it_is_asked_for(run, monkeypatch):
    monkeypatch.setenv("JSONARGPARSE_DEBUG", "true")
    with pytest.raises(ValueError, match=r"^VQ needs a block") as caught:
        run("fit", "--data.codec.levels", "0")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None  # not the parser's page


class Broken(BoringModel):
    """A foreign model with a bug."""

    def forward(self, code):
        raise ValueError("a bug of the user's")

    def training_step(self, batch, batch_idx):
        return self(batch[0])


@pytest.mark.filterwarnings("ignore:ComplexityMonitor measures nothing")
@pytest.mark.parametrize("callbacks", [[], [init_args("lossy_lightning.callbacks.ComplexityMonitor")]])
def test_bugs_keep_their_traceback(run, monkeypatch, callbacks):
    monkeypatch.setitem(sys.modules, "foreign", sys.modules[__name__])
    monkeypatch.setattr(Broken, "__module__", "foreign")
    with pytest.raises(ValueError, match="a bug of the user's"):
        run("fit", model={"class_path": "foreign.Broken"}, num_sanity_val_steps=0, callbacks=callbacks)


class Picky(VQ):
    """A user's codec, which refuses its arguments as it likes."""

    def __init__(self, own: bool = False) -> None:
        super().__init__((2, 2), 8)
        raise InputError("own is True; got False") if own else ValueError("a bug of the user's")


@pytest.mark.parametrize("own", [False, True])
def test_a_codec_of_a_user_is_one_sentence_if_it_says_so(run, monkeypatch, own):
    monkeypatch.setitem(sys.modules, "foreign", sys.modules[__name__])
    monkeypatch.setattr(Picky, "__module__", "foreign")
    expected = (SystemExit, "^lossy-lightning: own is True; got False$") if own else (ValueError, "a bug of the user's")
    with pytest.raises(expected[0], match=expected[1]):
        run("fit", data=init_args("lossy_lightning.data.Digits", codec=init_args("foreign.Picky", own=own)))


def test_wrong_wiring_of_lightning_is_one_sentence(run):
    with pytest.raises(SystemExit, match=r"^lossy-lightning: .*CUDA.*[^\n]$"):
        run("fit", accelerator="cuda")
