"""`lossy-lightning export`."""

import numpy as np
import pytest
import torch

from lossy_lightning.cli import main
from lossy_lightning.tasks import ClassificationTask

onnxruntime = pytest.importorskip("onnxruntime", reason="needs lossy-lightning[onnx]")
pytest.importorskip("onnxscript", reason="needs lossy-lightning[onnx]")


def test_a_trained_network_is_exported(run, tmp_path, capsys):
    run("fit", "--test_after_fit", "last")
    checkpoint, *_ = sorted(tmp_path.rglob("*.ckpt"))
    output = tmp_path / "made" / "digits.onnx"
    main(["export", "--checkpoint", str(checkpoint), "--format", "onnx", "--output", str(output)])
    assert capsys.readouterr().out.endswith(f"{output}: Bits and MLP, 10 classes\n")
    code = torch.randint(0, 8, (5, 1, 4, 4), dtype=torch.uint8)
    task = ClassificationTask.load_from_checkpoint(checkpoint, weights_only=True).eval()
    (logits,) = onnxruntime.InferenceSession(output).run(None, {"code": code.numpy()})
    with torch.no_grad():
        np.testing.assert_array_equal(logits, task(code).numpy())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "--checkpoint is {path}, but there is no such file"),
        (b"no checkpoint", "--checkpoint is {path}, which is no checkpoint, or only a part of one"),
        ({"weights": 1}, "--checkpoint is {path}, which is no checkpoint of Lightning: it lacks state_dict"),
        (
            {"state_dict": {}, "pytorch-lightning_version": "2.6", "hyper_parameters": {}},
            "--checkpoint is {path}, which does not say what stem and backbone its network has",
        ),
        (
            {
                "state_dict": {},
                "pytorch-lightning_version": "2.6",
                "hyper_parameters": {
                    "_class_path": "lightning.pytorch.demos.boring_classes.BoringModel",
                    "_instantiator": "lightning.pytorch.cli.instantiate_module",
                },
            },
            "--checkpoint is {path}, which does not say what stem and backbone its network has",
        ),
    ],
    ids=["missing", "no checkpoint", "other content", "made in Python", "another model"],
)
def test_mistakes_are_one_sentence(content, told, tmp_path):
    path = tmp_path / "network.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(SystemExit) as stopped:
        main(["export", "--checkpoint", str(path), "--format", "onnx", "--output", str(tmp_path / "network.onnx")])
    assert told.format(path=path) in str(stopped.value)
    assert len(str(stopped.value).splitlines()) == 1
