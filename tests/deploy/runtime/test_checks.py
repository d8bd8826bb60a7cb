"""Programs that would compute with what is not there are refused; those that are accepted run."""

import copy

import numpy as np
import pytest
import torch

from lossy_lightning.deploy import PackedNetwork, pack
from tests.deploy import networks

NAMES = ["thresholds", "look-up", "residual", "few bits", "sound", "rows"]


@pytest.fixture(scope="module", params=NAMES)
def network(request):
    torch.manual_seed(0)
    model = networks.task(request.param)
    return pack(model, model.spec)


def saved(network, path, change):
    """The network's file after ``change(program, tensors)``."""
    program = copy.deepcopy(network.program)
    tensors = {name: value.copy() for name, value in network.tensors.items()}
    change(program, tensors)
    PackedNetwork(program, tensors, network.classes, network.codec).save(path)
    return path


def test_a_whole_network_is_loaded(network, tmp_path):
    PackedNetwork.load(saved(network, tmp_path / "file", lambda *_: None))


def test_each_missing_tensor_is_told(network, tmp_path):
    for name in network.tensors:
        path = saved(network, tmp_path / "file", lambda _, tensors, name=name: tensors.pop(name))
        with pytest.raises(ValueError, match=rf"can run, step \d+, '\w+': there is no '{name}': pack the network anew"):
            PackedNetwork.load(path)


def test_tensors_of_another_size_are_told(network, tmp_path):
    for name, value in network.tensors.items():
        if len(value) == 1 or name.endswith("tables"):
            continue  # what all positions share; tables may be longer
        path = saved(network, tmp_path / "file", lambda _, held, name=name: held.update({name: held[name][1:]}))
        with pytest.raises(ValueError, match="holds no network that can run, step"):
            PackedNetwork.load(path)


@pytest.mark.parametrize("far", [10**6, -(10**6)])
@pytest.mark.parametrize("role", ["places", "starts"])
def test_indices_out_of_range_are_told(role, far, network, tmp_path):
    for name in (name for name in network.tensors if name.endswith(f".{role}")):

        def change(_, tensors, name=name):
            tensors[name] = tensors[name].astype(np.int32)
            tensors[name].flat[-1] = far

        path = saved(network, tmp_path / "file", change)
        with pytest.raises(ValueError, match=r"can run, step \d+, '\w+': (places are not all|starts)"):
            PackedNetwork.load(path)


def numbers(told):
    """Places of all whole numbers in lists and mappings, as ``(container, key)``."""
    for key, value in list(told.items() if isinstance(told, dict) else enumerate(told)):
        if type(value) is int and key != "rows":  # which nothing reads
            yield told, key
        elif isinstance(value, (dict, list)):
            yield from numbers(value)


def test_programs_with_other_numbers_are_refused_or_run(network, tmp_path):
    random, code = np.random.default_rng(0), np.tile(code_of(network), (3, *[1] * len(network.shape)))
    count = len([*numbers([network.program.registers, network.program.steps])])
    for place in random.choice(count, min(count, 15), replace=False):
        for added in (-1, 1, 1000):

            def change(program, _, place=place, added=added):
                told, key = [*numbers([program.registers, program.steps])][place]
                told[key] += added

            path = saved(network, tmp_path / "file", change)
            try:
                logits = PackedNetwork.load(path).predict(code)
            except ValueError:
                continue
            assert len(logits) == 3


def test_numbers_of_other_kinds_are_told(network, tmp_path):
    count = len([*numbers([network.program.registers, network.program.steps])])
    for place in np.random.default_rng(0).choice(count, min(count, 20), replace=False):

        def change(program, _, place=place):
            told, key = [*numbers([program.registers, program.steps])][place]
            told[key] = "a text"

        path = saved(network, tmp_path / "file", change)
        with pytest.raises(ValueError, match="holds no network that can run"):
            PackedNetwork.load(path)


def code_of(network):
    """The least code of each channel, as a batch of one."""
    field = network.program.fields[0]
    low = field["low"] if isinstance(field["low"], int) else field["low"][0]
    return np.full((1, *network.shape), low)


def test_files_without_a_program_are_told(network, tmp_path):
    def change(program, _):
        program.steps.clear()

    with pytest.raises(ValueError, match="it has no steps"):
        PackedNetwork.load(saved(network, tmp_path / "file", change))
