import pytest
import torch

from lossy_lightning.functional.mp3 import lines_to_sound, sound_to_lines, synthesize

TYPES = torch.tensor([0, 1, 2, 2, 3, 0, 0, 1, 2, 3, 1, 2, 2, 3, 0, 0])


def _granules(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high, *more):
        return torch.randint(low, high, (*shape, *more), generator=generator)

    frames = {
        "levels": draw(-9, 10, 576).to(torch.int16),
        "global_gain": draw(150, 180).to(torch.uint8),
        "scale_factors": draw(0, 4, 39).to(torch.uint8),
        "subblock_gain": draw(0, 2, 3).to(torch.uint8),
        "block_type": TYPES[: shape[-2]].view(-1, 1).expand(shape).to(torch.uint8),
        "mixed": draw(0, 2).to(torch.uint8),
        "scalefac_scale": draw(0, 2).to(torch.uint8),
        "preflag": draw(0, 2).to(torch.uint8),
        "mid_side": draw(0, 2)[..., 0],
        "intensity": draw(-1, 7, 39)[..., 0, :],
        "intensity_scale": draw(0, 2)[..., 0],
        "sample_rate": 24_000,
    }
    frames["levels"][..., 1, 200:] = 0
    return frames


def test_analysis_and_synthesis_give_the_sound_back_1057_samples_later():
    sound = torch.randn(3, 2, 576 * len(TYPES), dtype=torch.float64)
    types = TYPES.view(-1, 1).expand(3, -1, 2)
    lines = sound_to_lines(sound, types, torch.zeros_like(types), 44_100)
    again = lines_to_sound(lines, types, torch.zeros_like(types), 44_100)
    assert (again[..., 1057:] - sound[..., :-1057]).std() < 1e-4


def test_a_batch_is_its_examples():
    batch = _granules(2, 3, 8, 2)
    whole = synthesize(**batch)
    assert whole.shape == (2, 3, 2, 8 * 576)
    one = synthesize(**{name: value if name == "sample_rate" else value[1, 2] for name, value in batch.items()})
    torch.testing.assert_close(whole[1, 2], one, rtol=0, atol=1e-6)


def test_arrays_are_taken_and_single_precision_is_nearly_exact():
    frames = _granules(8, 2)
    arrays = {name: value if name == "sample_rate" else value.numpy() for name, value in frames.items()}
    exact = synthesize(**(frames | {"levels": frames["levels"].double()}))
    got = synthesize(**arrays)
    assert got.dtype == torch.float32
    assert (got - exact).abs().max() < 2e-6 * exact.abs().max()


def test_later_granules_leave_earlier_sound_alone():
    frames = _granules(8, 2)
    start = {name: value if name == "sample_rate" else value[:5] for name, value in frames.items()}
    torch.testing.assert_close(synthesize(**start), synthesize(**frames)[:, : 5 * 576])


def test_gradients_reach_levels():
    frames = _granules(4, 2)
    levels = frames["levels"].double().requires_grad_()
    step = torch.randn_like(levels)
    step[levels == 0] = 0  # intensity stereo depends on what is zero
    sound = synthesize(**(frames | {"levels": levels}))
    weights = torch.randn_like(sound)
    (sound * weights).sum().backward()
    moved = [synthesize(**(frames | {"levels": levels.detach() + sign * 1e-5 * step})) for sign in (1, -1)]
    slope = ((moved[0] - moved[1]) * weights).sum() / 2e-5
    torch.testing.assert_close((levels.grad * step).sum(), slope, rtol=1e-5, atol=1e-8)


def test_parts_of_granules_are_refused():
    types = torch.zeros(2, 1, dtype=torch.uint8)
    with pytest.raises(ValueError, match="2 granules are 1152 samples; got 1000"):
        sound_to_lines(torch.zeros(1, 1000), types, types, 44_100)
