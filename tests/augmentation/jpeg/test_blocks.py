"""What all augmentations of blocks of coefficients have in common."""

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.augmentation import (
    Chain,
    CoefficientBrightness,
    CoefficientContrast,
    FrequencyDropout,
    MCUFlip,
    MCUShift,
    MCUTurn,
    MCUZoom,
)
from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.core import CodeSpec, InputError
from tests.augmentation.jpeg.blocks import (
    adapted,
    images,
    spec_of,
)

ALL = [
    MCUFlip(vertical_probability=0.5),
    MCUTurn(),
    MCUShift(max_mcus=2),
    CoefficientBrightness(),
    CoefficientContrast(),
    FrequencyDropout(),
    MCUZoom(),
]


@pytest.mark.parametrize("augmentation", ALL, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("arguments", [{}, {"tables": True}, {"dequantize": True}])
def test_codes_stay_in_their_spec_and_random_numbers_are_torchs(augmentation, arguments):
    codec = JPEG(50, **arguments)
    adapted(augmentation, codec)
    code = codec.encode(images(4, (64, 64)))
    kept = code.clone()
    torch.manual_seed(5)
    first = augmentation(code)
    torch.manual_seed(5)
    again = augmentation(code)
    assert first.dtype == torch.int16
    assert torch.equal(first, again)
    assert torch.equal(code, kept)
    assert any(not torch.equal(augmentation(code), first) for _ in range(4))
    codec.spec((3, 8 * 2 * first.shape[-2], 8 * 2 * first.shape[-1])).check(first)
    assert not augmentation.state_dict()


def test_a_chain_runs_on_any_batch():
    codec = JPEG(75, "4:4:4")
    chain = Chain([MCUFlip(), MCUShift(), CoefficientBrightness(), CoefficientContrast()])
    for module in chain.modules():
        if hasattr(module, "adapt"):
            module.adapt([codec], spec_of(codec), None)
    code = codec.encode(images(5, (32, 32)))
    codec.spec((3, 32, 32)).check(chain(code))


def test_wrong_wiring_is_named():
    with pytest.raises(MisconfigurationException, match="MCUFlip does not know the fields of the codes; hand it to"):
        MCUFlip()(torch.zeros(1, 384, 1, 1, dtype=torch.int16))
    with pytest.raises(
        MisconfigurationException, match=r"the field 'code' of \[PCM\(.* has 3 channels of numbers on a"
    ):
        adapted(MCUShift(), PCM())
    with pytest.raises(
        ValueError, match=r"codes of shape \(..., 384, any, any\) are expected here; got \(1, 192, 1, 1\)"
    ):
        adapted(MCUFlip(), JPEG())(torch.zeros(1, 192, 1, 1, dtype=torch.int16))
    with pytest.raises(ValueError, match=r"adapted to codes of 3 axes; got \(384, 1, 1\), batch included"):
        adapted(MCUFlip(), JPEG())(torch.zeros(384, 1, 1, dtype=torch.int16))


@pytest.mark.parametrize("make", [MCUTurn, CoefficientBrightness, MCUZoom])
def test_levels_of_several_units_are_refused_if_units_matter(make):
    coarse, fine = JPEG(20), JPEG(90)
    with pytest.raises(MisconfigurationException, match=r"needs levels of one unit, but the fields \['luma'.* in JPEG"):
        make().adapt([coarse, fine], spec_of(coarse), None)
    for arguments in ({"dequantize": True}, {"tables": True}):
        codecs = [JPEG(20, **arguments), JPEG(90, **arguments)]
        make().adapt(codecs, CodeSpec.union(*map(spec_of, codecs)), None)


@pytest.mark.parametrize("make", [MCUFlip, MCUShift, CoefficientContrast, FrequencyDropout])
def test_units_do_not_matter_to_the_others(make):
    make().adapt([JPEG(20), JPEG(90)], spec_of(JPEG()), None)


class Blocks(JPEG):
    """JPEG with fields of other names, which tells no steps."""

    def spec(self, shape):
        spec = super().spec(shape)
        return spec._replace(fields=tuple(field._replace(name=f"plane {field.name}") for field in spec.fields))

    def steps(self):
        return None


def test_other_codes_of_blocks_are_augmented_alike():
    codec, other = JPEG(60, "4:2:2"), Blocks(60, "4:2:2")
    code = codec.encode(images())
    for make in (MCUFlip, MCUShift, CoefficientContrast, FrequencyDropout):
        results = []
        for each in (codec, other):
            torch.manual_seed(1)
            results.append(adapted(make(), each)(code))
        assert torch.equal(*results)
    with pytest.raises(MisconfigurationException, match=r"changes the field 'luma'.* have \['plane luma', 'plane cb'"):
        adapted(CoefficientBrightness(), other)
    with pytest.raises(
        MisconfigurationException, match=r"MCUZoom needs the quantization steps of the fields \['plane l"
    ):
        adapted(MCUZoom(), other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MCUFlip(horizontal_probability=1.5),
        lambda: FrequencyDropout(probability=1.1),
        lambda: CoefficientContrast(max_change=2),
        lambda: MCUZoom(enlarge_probability=0.7, reduce_probability=0.7),
    ],
)
def test_probabilities(make):
    with pytest.raises(InputError, match=r"(is a number from 0 to 1|together at most 1); got"):
        make()


@pytest.mark.parametrize("make", [CoefficientBrightness, MCUZoom])
def test_dequantized_codes_that_carry_tables_are_coefficients(make):
    """The same as without tables, which are left alone."""
    made = []
    for tables in (False, True):
        codec = JPEG(60, dequantize=True, tables=tables)
        torch.manual_seed(0)
        made.append(adapted(make(), codec)(codec.encode(images())))
    assert torch.equal(made[1][:, :384], made[0])
    assert torch.equal(made[1][:, 384:], codec.encode(images())[:, 384:])


@pytest.mark.parametrize("make", [lambda: MCUShift(max_mcus=-1), lambda: CoefficientBrightness(max_change=-1)])
def test_negative_numbers(make):
    with pytest.raises(ValueError, match="of at least 0; got -1"):
        make()
