from functools import partial

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch import nn

from lossy_lightning.callbacks import WarmStart
from lossy_lightning.codecs import VQ
from lossy_lightning.data import Digits
from lossy_lightning.nn import MLP, Bits
from lossy_lightning.tasks import ClassificationTask

BINARY = partial(MLP, hidden_features=(16, 16))
REAL = partial(BINARY, input_bit_width=32, activation=nn.Hardtanh)


@pytest.fixture
def digits(cache_dir):
    return Digits(VQ((2, 2), 16), cache_dir=cache_dir)


def make_task(data, backbone, seed=0):
    seed_everything(seed, verbose=False)
    return ClassificationTask(data.spec, 10, Bits, backbone)


def trainer(path, **kwargs):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    return Trainer(default_root_dir=path, **{"max_epochs": 1, **quiet, **kwargs})


def tensors(task):
    return [*task.backbone.state_dict().values()]


@pytest.fixture
def twin(digits, tmp_path):
    task, fit = make_task(digits, REAL), trainer(tmp_path)
    fit.fit(task, digits)
    return task, fit.checkpoint_callback.best_model_path


def test_a_binary_network_starts_from_its_real_twin(digits, twin):
    task = make_task(digits, BINARY, seed=1)
    before = [tensor.clone() for tensor in tensors(task)]
    fit = trainer(None, callbacks=[WarmStart(twin[1])], enable_checkpointing=False, limit_train_batches=0)
    fit.fit(task, digits)
    assert all(map(torch.equal, tensors(task), tensors(twin[0])))
    assert not all(map(torch.equal, tensors(task), before))


def test_the_twin_learns_on_after_it(digits, twin):
    task = make_task(digits, BINARY, seed=1)
    trainer(None, callbacks=[WarmStart(twin[1])], enable_checkpointing=False).fit(task, digits)
    assert not all(map(torch.equal, tensors(task), tensors(twin[0])))


def test_a_fit_that_goes_on_keeps_its_own_weights(digits, twin, tmp_path):
    task, fit = make_task(digits, BINARY, seed=1), trainer(tmp_path / "own")
    fit.fit(task, digits)
    own = [tensor.clone() for tensor in tensors(task)]
    again = trainer(tmp_path / "again", callbacks=[WarmStart(twin[1])], max_epochs=2, limit_train_batches=0)
    again.fit(make_task(digits, BINARY, seed=2), digits, ckpt_path=fit.checkpoint_callback.best_model_path)
    assert all(map(torch.equal, tensors(again.lightning_module), own))


def test_a_test_takes_nothing_over(digits, twin):
    task = make_task(digits, BINARY, seed=1)
    before = [tensor.clone() for tensor in tensors(task)]
    trainer(None, callbacks=[WarmStart(twin[1])], enable_checkpointing=False).test(task, digits, verbose=False)
    assert all(map(torch.equal, tensors(task), before))


def test_another_network_is_no_twin(digits, twin, tmp_path):
    other = make_task(digits, partial(MLP, hidden_features=(17, 16)))
    with pytest.raises(MisconfigurationException, match="same shapes in the same order; in 'backbone' the checkpoint"):
        trainer(None, callbacks=[WarmStart(twin[1])], enable_checkpointing=False).fit(other, digits)
    with pytest.raises(MisconfigurationException, match=r"there is no checkpoint .*; train the twin first"):
        trainer(None, callbacks=[WarmStart(tmp_path / "no.ckpt")], enable_checkpointing=False).fit(other, digits)


class Net(LightningModule):
    """Two parts with tensors, and one without."""

    def __init__(self):
        super().__init__()
        self.net, self.head, self.act = nn.Linear(2, 2), nn.Linear(2, 3), nn.ReLU()


class Fit:
    ckpt_path = None


def start(tmp_path, parts):
    torch.save({"state_dict": Net().state_dict()}, tmp_path / "a.ckpt")
    net = Net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    WarmStart(tmp_path / "a.ckpt", parts).setup(Fit, net, "fit")
    return {name.partition(".")[0] for name, value in net.state_dict().items() if not value.equal(before[name])}


@pytest.mark.parametrize("parts", [("stem", "backbone"), ("nett",), ("net", "nett"), ("ne",), ("act",), ()])
def test_parts_that_match_nothing_or_not_all_are_an_error(tmp_path, parts):
    there = "Parts with tensors are 'net', 'head' in the checkpoint and 'net', 'head' in this network"
    with pytest.raises(MisconfigurationException, match=there):
        start(tmp_path, parts)


def test_what_matches_is_taken_over(tmp_path):
    assert start(tmp_path, "net") == start(tmp_path, ("net", "act")) == {"net"}
    assert start(tmp_path, ("net", "head")) == {"net", "head"}


def test_nothing_changes_if_a_later_part_does_not_fit(tmp_path):
    wider = Net()
    wider.head = nn.Linear(2, 4)
    torch.save({"state_dict": wider.state_dict()}, tmp_path / "a.ckpt")
    net = Net()
    before = net.net.weight.clone()
    with pytest.raises(MisconfigurationException, match="in 'head' the checkpoint has"):
        WarmStart(tmp_path / "a.ckpt", ("net", "head")).setup(Fit, net, "fit")
    assert torch.equal(net.net.weight, before)


def test_a_file_that_is_no_checkpoint_is_told(tmp_path):
    path = tmp_path / "a.ckpt"
    torch.save(Net().state_dict(), path)
    with pytest.raises(MisconfigurationException, match="holds no 'state_dict'"):
        WarmStart(path, "net").setup(Fit, Net(), "fit")
    path.write_bytes(b"no checkpoint")
    with pytest.raises(MisconfigurationException, match="cannot be read as a checkpoint"):
        WarmStart(path, "net").setup(Fit, Net(), "fit")
