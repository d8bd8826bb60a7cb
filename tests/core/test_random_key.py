"""Random numbers by place, and global generators that are left as they were."""

import random

import numpy as np
import pytest
import torch

from lossy_lightning.core import RandomKey, keep_random_state, random_state, set_random_state

KEY = RandomKey((0, "train", 3))


def drawn():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_a_place_gives_the_same_numbers_and_others_give_others():
    assert RandomKey((0,)).of("train").of(3) == KEY
    assert KEY.seed() == 882505000269604046  # on any machine, in any version
    others = [KEY.of(0), RandomKey((0, "train", 4)), RandomKey((0, "val", 3)), RandomKey((0, "train", "3"))]
    assert len({key.seed() for key in (KEY, *others)}) == 5
    assert torch.equal(*(torch.rand(3, generator=KEY.generator()) for _ in range(2)))
    assert KEY.uniform(3)[:2] == KEY.uniform(2)
    assert all(0 <= number < 1 for number in KEY.uniform(100))


def test_global_generators_start_at_a_place_and_are_put_back():
    before = random_state()
    with KEY.everywhere():
        first = drawn()
    with KEY.everywhere():
        assert drawn() == first
    with keep_random_state():
        after = drawn()
    assert after == drawn()
    with pytest.raises(TypeError), keep_random_state():
        random.seed([])
    set_random_state(before)
    assert after == drawn()


def test_a_state_is_what_a_checkpoint_can_hold(tmp_path):
    torch.save(random_state(), tmp_path / "state.pt")
    want = drawn()
    set_random_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert drawn() == want


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_generators_of_a_gpu_are_kept_too():
    device = torch.device("cuda")
    torch.cuda.manual_seed(1)
    state = random_state(device)
    with KEY.everywhere(device):
        first = torch.rand(2, device=device)
    with KEY.everywhere(device):
        assert torch.equal(first, torch.rand(2, device=device))
    after = torch.rand(2, device=device)
    set_random_state(state)
    assert torch.equal(after, torch.rand(2, device=device))
