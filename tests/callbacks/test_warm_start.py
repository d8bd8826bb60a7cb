from functools import partial

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer, seed_everything
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
