from functools import partial

import pytest
import torch
import torch.nn.functional as F
import yaml
from lightning.pytorch import Trainer, seed_everything
from torch import nn

from lossy_lightning.cli import main
from lossy_lightning.codecs import VQ
from lossy_lightning.data import Digits
from lossy_lightning.nn import MLP, Bits, OneHot
from lossy_lightning.tasks import ClassificationTask, DistillationTask
from lossy_lightning.tasks.distillation import distillation

STUDENT = {"stem": Bits, "backbone": partial(MLP, hidden_features=(16,))}
TEACHER = {"stem": OneHot, "backbone": partial(MLP, hidden_features=(32,), weight_bit_width=32, input_bit_width=32)}


@pytest.fixture
def digits(cache_dir):
    return Digits(VQ((2, 2), 16), cache_dir=cache_dir)


def trainer(**kwargs):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    return Trainer(**{"max_epochs": 1, "enable_checkpointing": False, **quiet, **kwargs})


def make_teacher(data):
    seed_everything(0, verbose=False)
    return ClassificationTask(data.spec, 10, **TEACHER)


def make_student(data, teacher, **kwargs):
    seed_everything(1, verbose=False)
    return DistillationTask(data.spec, 10, **STUDENT, teacher=teacher, **kwargs)


def test_the_student_alone_learns(digits):
    teacher = make_teacher(digits)
    student = make_student(digits, teacher)
    theirs = {name: value.clone() for name, value in teacher.state_dict().items()}
    mine = {name: value.clone() for name, value in student.state_dict().items()}
    trainer().fit(student, digits)
    for name, value in teacher.state_dict().items():
        assert torch.equal(value, theirs[name]), name  # the running means of its batch norm too
    assert all(p.grad is None for p in teacher.parameters())
    assert not teacher.training
    assert any(not torch.equal(value, mine[name]) for name, value in student.state_dict().items())


def test_the_teacher_is_no_part_of_the_student(digits):
    student = make_student(digits, make_teacher(digits))
    plain = ClassificationTask(digits.spec, 10, **STUDENT)
    assert student.state_dict().keys() == plain.state_dict().keys()
    assert sum(p.numel() for p in student.parameters()) == sum(p.numel() for p in plain.parameters())
    assert "teacher" not in student.hparams


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_loss_is_the_weighted_sum_in_training_alone(digits, weight):
    teacher = make_teacher(digits).eval()
    student = make_student(digits, teacher, weight=weight, temperature=2.0)
    batch = next(iter(digits.train_dataloader()))
    code, target = batch
    logits, loss = student.evaluate(batch, "train")
    soft = -(teacher(code) / 2).softmax(1) * (logits / 2).log_softmax(1)
    entropy = torch.distributions.Categorical(logits=teacher(code) / 2).entropy()
    divergence = 4 * (soft.sum(1) - entropy).mean()
    torch.testing.assert_close(loss, (1 - weight) * F.cross_entropy(logits, target) + weight * divergence)
    logits, loss = student.evaluate(batch, "val")
    torch.testing.assert_close(loss, F.cross_entropy(logits, target))


def test_nothing_is_lost_where_both_agree():
    logits = torch.randn(5, 10)
    torch.testing.assert_close(distillation(logits, logits + 3, 4.0), torch.tensor(0.0), atol=1e-5, rtol=0)


def test_a_student_of_the_teacher_alone_gets_its_answers(digits):
    fit = trainer(max_epochs=8)
    teacher = make_teacher(digits)
    fit.fit(teacher, digits)
    task = DistillationTask(digits.spec, 10, **TEACHER, teacher=teacher, weight=1.0)
    trainer(max_epochs=8).fit(task, digits)
    code, _ = next(iter(digits.test_dataloader()))
    task.eval()
    assert (task(code).argmax(1) == teacher(code).argmax(1)).float().mean() > 0.7


def test_a_teacher_from_a_checkpoint_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["lossy-lightning"])
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    network = {"stem": "lossy_lightning.nn.Bits", "backbone": "lossy_lightning.nn.MLP"}
    codec = {"class_path": "lossy_lightning.codecs.VQ", "init_args": {"block": [2, 2], "levels": 8}}
    data = {"codec": codec, "cache_dir": str(tmp_path / "cache")}

    def run(name, task, **arguments):
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "max_epochs": 1}
        content = {
            "model": {"class_path": f"lossy_lightning.tasks.{task}", "init_args": network | arguments},
            "data": {"class_path": "lossy_lightning.data.Digits", "init_args": data},
            "trainer": quiet | {"default_root_dir": str(tmp_path / name)},
        }
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
        main(["fit", "--config", str(tmp_path / f"{name}.yaml")])
        (path,) = (tmp_path / name).glob("lightning_logs/version_0/checkpoints/epoch=*.ckpt")
        return path

    path = run("teacher", "ClassificationTask")
    student = run("student", "DistillationTask", teacher=str(path), weight=0.9)
    codec["init_args"]["seed"] = 1
    with pytest.raises(SystemExit, match=r"the teacher .*ckpt was trained on other data: the .* codec = VQ"):
        run("other", "DistillationTask", teacher=str(path))
    path.unlink()
    DistillationTask.load_from_checkpoint(student)  # needs the teacher no more


def test_mistakes(digits, tmp_path):
    for wrong in ({"weight": 1.5}, {"weight": -0.1}, {"temperature": 0.0}):
        with pytest.raises(
            ValueError, match=r"(weight is a number from 0 to 1|temperature is a number .*, but not 0); got"
        ):
            make_student(digits, nn.Identity(), **wrong)
    with pytest.raises(ValueError, match="teacher is a module, or the path of the checkpoint of a task; got None"):
        make_student(digits, None)
    with pytest.raises(ValueError, match=r"there is no checkpoint .*; train the teacher first"):
        trainer().fit(make_student(digits, tmp_path / "none.ckpt"), digits)
