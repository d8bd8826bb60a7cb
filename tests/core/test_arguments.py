"""Checks of arguments, and that all rooms make them: what came, and what is allowed."""

from functools import partial

import pytest
import torch
from torch import nn

from lossy_lightning.augmentation import BitFlip, Chain, MCUShift, MCUZoom, RandomGain, TimeMask
from lossy_lightning.codecs import VQ, Relabeled, Spectrogram, Uniform
from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.core.arguments import check_integers, check_maker, check_names, check_numbers
from lossy_lightning.nn import MLP, Bits, Concat, Embed, InverseDCT, LookupLinear, Scale, SequenceNet, SpaceToDepth
from lossy_lightning.profiling import count_macs, count_parameters
from lossy_lightning.testing import check_codec

SPEC = CodeSpec.uniform((1, 4, 4), 0, 15, ordinal=True)


@pytest.mark.parametrize("wrong", ["3", 1.5, None, True, 0, [3], float("nan")])
def test_whole_numbers(wrong):
    check_integers(1, size=1)
    with pytest.raises(InputError) as caught:
        check_integers(1, size=wrong)
    assert str(caught.value) == f"size is a whole number of at least 1; got {wrong!r}"


@pytest.mark.parametrize("wrong", ["0.5", None, -0.1, 1.1, 1, [0.5], float("nan"), float("inf")])
def test_numbers(wrong):
    check_numbers(0, 1, share=0)
    with pytest.raises(InputError) as caught:
        check_numbers(0, 1, excluded=1, share=wrong)
    assert str(caught.value) == f"share is a number from 0 to 1, but not 1; got {wrong!r}"


@pytest.mark.parametrize("wrong", ["mean", 3, ["mean", 3]])
def test_names(wrong):
    check_names("fields", ["mean"])
    with pytest.raises(InputError, match=r"^fields is a list of names"):
        check_names("fields", wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("Bits", "stem is a class or a function that makes a module; got 'Bits': pass the class itself"),
        (None, "stem is a class or a function that makes a module; got None"),
        (
            nn.Flatten(),
            r"stem is made later, to fit the codes; got Flatten\(...\), which is made already: pass Flatten",
        ),
        (
            Embed,
            r"called with 1 argument, but Embed: missing a required argument: 'dim'; pass functools.partial\(Embed",
        ),
    ],
)
def test_makers(wrong, message):
    check_maker("stem", partial(Embed, dim=3), SPEC)
    with pytest.raises(InputError, match=message):
        check_maker("stem", wrong, SPEC)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BitFlip("0.1", 4),
        lambda: BitFlip(0.1, "4"),
        lambda: Chain("BitFlip"),
        lambda: MCUShift("2"),
        lambda: MCUZoom(0.7, 0.7),
        lambda: RandomGain("3"),
        lambda: TimeMask("5"),
        lambda: Bits((1, 4, 4)),
        lambda: InverseDCT(None),
        lambda: Scale(SPEC, fields="code"),
        lambda: Embed(SPEC, "3"),
        lambda: LookupLinear(SPEC, -1),
        lambda: SpaceToDepth(SPEC, "2"),
        lambda: Concat(SPEC, "Scale"),
        lambda: Concat(SPEC, ["Scale"]),
        lambda: Concat(SPEC, [lambda spec: nn.Identity()]),
        lambda: MLP((4,), "10"),
        lambda: MLP((4,), 10, activation="ReLU"),
        lambda: SequenceNet((4, 20), 10, dropout="0.3"),
        lambda: VQ((2, 2), 8, seed="0"),
        lambda: Uniform(8, low="0"),
        lambda: Relabeled("VQ", print),
        lambda: Spectrogram(n_fft="256"),
        lambda: count_macs(MLP),
        lambda: count_parameters("MLP"),
        lambda: check_codec(VQ, (1, 4, 4)),
    ],
)
def test_text_and_wrong_numbers_are_told_by_every_room(make):
    with pytest.raises(InputError, match="got"):
        make()


def test_a_zoom_names_both_of_its_probabilities():
    with pytest.raises(InputError, match=r"got enlarge_probability=0.7 and reduce_probability=0.7"):
        MCUZoom(0.7, 0.7)


def test_numbers_of_other_libraries_are_numbers():
    check_integers(1, size=torch.tensor([3]).numpy()[0])
    check_numbers(0, 1, share=torch.tensor([0.5]).numpy()[0])
