"""Files of ONNX and QONNX compute what the networks do, and cost what we count."""

from collections import Counter
from functools import partial

import brevitas.nn as bnn
import numpy as np
import pytest
import torch
from torch import nn
from vector_quantize_pytorch import LFQ

from lossy_lightning.codecs import PCM, VQVAE
from lossy_lightning.core import CodeSpec, InputError, SignalForm
from lossy_lightning.deploy import OnnxNetwork, export_onnx, export_qonnx
from lossy_lightning.nn import MLP, Bits, BlockDecoder, BlockEncoder, ResidualNet, Scale
from lossy_lightning.nn.layers._tables import QuantizedRows
from lossy_lightning.profiling import count_macs
from lossy_lightning.tasks import ClassificationTask
from tests.deploy.binary_examples import SPECS, codes, network

onnxruntime = pytest.importorskip("onnxruntime", reason="needs lossy-lightning[onnx]")
pytest.importorskip("onnxscript", reason="needs lossy-lightning[onnx]")

FAST = "codes, raw bits, all binary"
WHOLE = {"codes, raw bits, all binary", "mnist_vq_binary", "mnist_joint_wide_codes"}
"""Networks of whole numbers up to the last batch norm."""


EACH = [pytest.param(name, id=name, marks=[] if name == FAST else pytest.mark.slow) for name in SPECS]


def run_onnx(path, code):
    session = onnxruntime.InferenceSession(path)
    assert [one.name for one in session.get_inputs()] == ["code"]
    return session.run(["logits"], {"code": code.numpy()})[0]


@pytest.mark.parametrize("name", EACH)
def test_onnxruntime_gives_the_logits_of_torch(name, tmp_path):
    task = network(name)
    export_onnx(task, tmp_path / "network.onnx")
    code = codes(task.spec, 4 if name == "speech_vq_binarynet" else 40)
    with torch.no_grad():
        want = task(code).numpy()
    got = run_onnx(tmp_path / "network.onnx", code)
    np.testing.assert_array_equal(run_onnx(tmp_path / "network.onnx", code[:1]), got[:1])
    if name in WHOLE:
        np.testing.assert_array_equal(got, want)
    near = np.abs(got - want).max(1) <= 1e-4
    assert near.mean() >= 0.99
    assert (got.argmax(1) == want.argmax(1)).mean() >= 0.995


def sums_of_signs(task, code):
    """What the 1-bit layers of a network put out, one after the other."""
    seen = []
    layers = [
        layer for layer in task.modules() if "1, input_bit_width=1" in repr(layer) and not [*layer.children()][2:]
    ]
    hooks = [layer.register_forward_hook(lambda *given: seen.append(given[2].detach().numpy())) for layer in layers]
    with torch.no_grad():
        logits = task(code).numpy()
    for hook in hooks:
        hook.remove()
    return seen, logits


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", EACH)
def test_qonnx_gives_the_sums_of_torch_and_costs_what_we_count(name, tmp_path):
    pytest.importorskip("qonnx", reason="needs lossy-lightning[qonnx]")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.util.cleanup import cleanup_model
    from qonnx.util.inference_cost import inference_cost

    task = network(name)
    export_qonnx(task, tmp_path / "network.onnx")
    path = str(tmp_path / "network.onnx")
    costs = inference_cost(path, discount_sparsity=False)["total_cost"]
    code = codes(task.spec, 1)
    assert macs_of(costs) == count_macs(task, code)
    assert weight_bits_of(costs) == weight_bits(task)
    model = cleanup_model(ModelWrapper(path))
    given = execute_onnx(model, {model.graph.input[0].name: code.numpy()}, return_full_exec_context=True)
    sums, logits = sums_of_signs(task, code)
    np.testing.assert_allclose(given[model.graph.output[0].name], logits, rtol=1e-5, atol=1e-5)
    products = [node for node in model.graph.node if node.op_type in ("Conv", "MatMul", "Gemm")]
    signed = [node for node in products if model.get_tensor_datatype(node.input[0]).name == "BIPOLAR"]
    assert len(signed) == len(sums)
    for node, want in zip(signed, sums, strict=True):
        np.testing.assert_array_equal(given[node.output[0]].reshape(want.shape), want)


def width(name):
    """Bits of a datatype's name in QONNX."""
    return 1 if name == "BIPOLAR" else int("".join(filter(str.isdigit, name)))


def macs_of(costs):
    macs = Counter()
    for key, number in costs.items():
        if key.startswith("op_mac_"):
            macs[max(map(width, key.removeprefix("op_mac_").split("_")))] += int(number)
    return macs


def weight_bits_of(costs):
    return sum(width(key[6:]) * int(number) for key, number in costs.items() if key.startswith("mem_w_"))


def weight_bits(task):
    """Bits of the weights of convolutions and products."""
    layers = [layer for layer in task.modules() if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Linear))]
    widths = [layer._arguments["weight_bit_width"] for layer in layers]
    return sum(bits * layer.weight.numel() for bits, layer in zip(widths, layers, strict=True))


def test_a_plain_network_of_brevitas(tmp_path):
    """Nobody here made its layers; scales of four bits travel with the file."""
    spec = CodeSpec.uniform((1, 6), 0, 15, ordinal=True)
    torch.manual_seed(0)
    model = nn.Sequential(
        Scale(spec),
        bnn.QuantIdentity(bit_width=4, return_quant_tensor=True),
        nn.Flatten(),
        bnn.QuantLinear(6, 5, bias=True, weight_bit_width=4),
    ).eval()
    for write in (export_onnx, export_qonnx):
        write(model, tmp_path / f"{write.__name__}.onnx", spec)
    code = codes(spec, 9)
    with torch.no_grad():
        want = model(code)
    got = run_onnx(tmp_path / "export_onnx.onnx", code)
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_codes_may_vary_in_size(tmp_path):
    spec = CodeSpec.uniform((1, None, None), 0, 15, ordinal=False)
    task = ClassificationTask(spec, 5, Bits, partial(ResidualNet, channels=(8, 16), strides=(2, 1))).eval()
    export_onnx(task, tmp_path / "network.onnx")
    for grid in ((9, 20), (33, 17)):
        code = codes(CodeSpec(spec.fields, grid), 2)
        with torch.no_grad():
            np.testing.assert_allclose(run_onnx(tmp_path / "network.onnx", code), task(code).numpy(), atol=1e-5)
    with pytest.raises(InputError, match="codes of one size; got shape"):
        export_qonnx(task, tmp_path / "network.qonnx")


def test_the_model_stays_as_it_is(tmp_path):
    spec = CodeSpec.uniform((1, 2), 0, 3, ordinal=False)
    task = ClassificationTask(spec, 3, Bits, MLP).train()
    before = {name: value.clone() for name, value in task.state_dict().items()}
    export_onnx(task, tmp_path / "network.onnx")
    assert task.training
    assert not any(module._forward_hooks for module in task.modules())
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())
    assert [file.name for file in tmp_path.iterdir()] == ["network.onnx"]


def test_mistakes_are_told(tmp_path):
    with pytest.raises(InputError, match=r"for the CodeSpec of its codes; got None: pass spec=datamodule.spec"):
        export_onnx(nn.Linear(2, 2), tmp_path / "network.onnx")
    with pytest.raises(InputError, match=r"model is a torch.nn.Module that was made"):
        export_onnx(MLP, tmp_path / "network.onnx")


def test_class_names_and_codecs_are_held_against_the_network(tmp_path):
    codec = VQVAE(BlockEncoder((2, 2), dim=4), LFQ(dim=4), BlockDecoder((2, 2), dim=4))
    form, path = SignalForm((1, 4, 4)), tmp_path / "folder" / "network.onnx"
    task = ClassificationTask(codec.spec(form.shape), 3, Bits, MLP).eval()
    for classes, told in ((["a", "b"], "got 2 names, 2 different ones, for 3 logits"), ("abc", "a list of names")):
        with pytest.raises(InputError, match=told):
            export_onnx(task, path, classes=classes)
    with pytest.raises(InputError, match="PCM does not make this network's codes: field 'code' has ordered values"):
        export_onnx(task, path, codec=PCM(), form=form)
    with pytest.raises(InputError, match=r"codec=data.codec and form=data.signal_form; got PCM and NoneType"):
        export_onnx(task, path, codec=PCM())
    for write in (export_onnx, export_qonnx):
        with pytest.raises(InputError, match="is a folder; give the name of a file"):
            write(task, tmp_path)
    export_onnx(task, path, classes=["a", "b", "c"], codec=codec, form=form)
    network = OnnxNetwork(path)
    assert network.classes == ("a", "b", "c")
    assert network.form() == form
    with pytest.raises(InputError, match="VQVAE, not what it is made of; give the codec"):
        network.codec()  # made of modules
    path.write_bytes(path.read_bytes().replace(b'["a","b","c"]', b'["a","b,c"]  '))
    with pytest.raises(InputError, match="names 2 classes, but its network makes 3 logits"):
        OnnxNetwork(path)


class Branching(nn.Module):
    def forward(self, code):
        return code.float() if code.sum() > 3 else -code.float()


class Bessel(nn.Module):
    def forward(self, code):
        return torch.special.bessel_j0(code.float())


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (Branching(), "Branching has no form in ONNX: Could not guard on data-dependent"),
        (Bessel(), "Bessel has no form in ONNX: there is no operation for torch's prims.bessel_j0"),
    ],
    ids=["a branch", "an operation"],
)
def test_what_has_no_form_is_told(model, told, tmp_path):
    with pytest.raises(InputError, match=told) as raised:
        export_onnx(model, tmp_path / "network.onnx", CodeSpec.uniform((1, 4), 0, 3, ordinal=True))
    assert len(str(raised.value).splitlines()) == 1
    assert not [*tmp_path.iterdir()]


class Floored(nn.Module):
    """A quantizer whose rounding QONNX has, but which declares another width than it has."""

    def bit_width(self):
        return torch.tensor(2.0)

    def forward(self, x):
        one = torch.ones(())
        return QuantizedRows(x.floor() + 0.5, one, torch.zeros(()), self.bit_width())


def test_a_quantizer_that_qonnx_lacks_is_named(tmp_path):
    spec = CodeSpec.uniform((1, 4), 0, 9, ordinal=True)
    with pytest.raises(InputError, match=r"1 \(Floored\) rounds as no operation of QONNX does"):
        export_qonnx(nn.Sequential(Scale(spec), Floored()), tmp_path / "network.onnx", spec)
