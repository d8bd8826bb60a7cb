import pytest
import torch

from lossy_lightning.codecs import JPEG, HEVCQuantizer, HEVCTransform, TransformCodec
from lossy_lightning.functional import HEVC_INTRA_SCALING, hevc_scale, hevc_scaling, inverse_hevc_transform
from lossy_lightning.nn import InverseDCT
from lossy_lightning.testing import check_codec
from tests.codecs.transform.images import smooth


@pytest.mark.parametrize(
    ("codec", "shape"),
    [
        (TransformCodec(HEVCTransform(8), HEVCQuantizer(27)), (3, 18, 35)),
        (TransformCodec(HEVCTransform(4, True, "4:4:4"), HEVCQuantizer(40, 4)), (1, 7, 9)),
        (TransformCodec(HEVCTransform(16, chroma_subsampling="4:2:2"), HEVCQuantizer(20, 16)), (3, 17, 40)),
    ],
)
def test_contract(codec, shape):
    check_codec(codec, shape)


@pytest.mark.parametrize("size", [4, 8, 16, 32])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_levels_stay_in_their_range_and_fine_steps_keep_the_image(size, subsampling):
    codec = TransformCodec(HEVCTransform(size, chroma_subsampling=subsampling), HEVCQuantizer(4, size))
    spec = codec.spec((3, 37, 50))
    for image in (smooth(3, 37, 50), torch.randint(2, (3, 37, 50), dtype=torch.uint8) * 255):
        spec.check(codec.encode(image))
    error = codec.round_trip(smooth(3, 37, 50)).float() - smooth(3, 37, 50)
    assert subsampling != "4:4:4" or error.abs().max() <= 4
    assert error.square().mean() < 400


def test_the_worst_blocks_reach_the_limits():
    """Blocks of -128 and 127 with the signs of a basis function: no other block gives a larger coefficient."""
    from lossy_lightning.functional import hevc_matrix

    transform = HEVCTransform(8)
    limits = torch.tensor(transform.layout((1, 8, 8)).high).view(8, 8)
    signs = hevc_matrix(8).sign()
    for v, u in ((0, 0), (1, 2), (7, 7), (0, 3)):
        block = torch.where(torch.outer(signs[v], signs[u]) > 0, 0, 255).to(torch.uint8)
        value = transform(block[None]).view(8, 8)[v, u].abs()
        assert limits[v, u] * 0.98 < value <= limits[v, u]


def test_decoding_is_the_standards():
    levels = torch.zeros(64, 1, 1, dtype=torch.int16)
    levels[:6, 0, 0] = torch.tensor([5, -3, 2, 0, 1, -1])
    codec = TransformCodec(HEVCTransform(8), HEVCQuantizer(30, 8, HEVC_INTRA_SCALING))
    scaled = hevc_scale(levels.view(8, 8), 30, hevc_scaling(8, HEVC_INTRA_SCALING))
    expected = (inverse_hevc_transform(scaled) + 128).clamp(0, 255)
    assert torch.equal(codec.decode(levels, (1, 8, 8))[0].float(), expected)


def test_steps_are_those_of_jpeg_tables_in_unit_and_order():
    codec = TransformCodec(HEVCTransform(8), HEVCQuantizer(28, 8, HEVC_INTRA_SCALING))
    steps = codec.steps()
    assert list(steps) == ["luma", "cb", "cr"] == list(JPEG().steps())
    assert torch.equal(steps["cb"].view(8, 8), torch.tensor(HEVC_INTRA_SCALING).float())  # 16 at qp 28
    jpeg = JPEG(quantization_tables=[HEVC_INTRA_SCALING] * 2)
    image = smooth(3, 32, 32)
    ours, theirs = codec.encode(image), jpeg.encode(image)
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1
    assert (ours != theirs).float().mean() < 0.1  # a third is added instead of a half


def test_stems_of_jpeg_read_its_codes():
    codec = TransformCodec(HEVCTransform(8), HEVCQuantizer(16))
    spec = codec.spec((3, 32, 32))
    stem = InverseDCT(spec)
    stem.adapt([codec], spec, None)
    assert stem(codec.encode(smooth(2, 3, 32, 32))).isfinite().all()


def test_coarser_steps_have_fewer_bits_and_more_error():
    image, found = smooth(3, 64, 64), []
    for qp in (10, 22, 34, 46):
        codec = TransformCodec(HEVCTransform(8), HEVCQuantizer(qp))
        error = (codec.round_trip(image).float() - image).square().mean().item()
        found.append((error, -codec.quantizer.rate(codec.encode(image))))
    assert found == sorted(found)


def test_bad_input():
    for qp in (-1, 52, 2.5):
        with pytest.raises(ValueError, match="qp is a whole number"):
            HEVCQuantizer(qp)
    with pytest.raises(ValueError, match="HEVC has blocks of size"):
        HEVCQuantizer(20, size=12)
    for make in (HEVCTransform, lambda size: HEVCQuantizer(20, size)):
        with pytest.raises(ValueError, match=r"got size=8\.0"):
            make(8.0)
    with pytest.raises(ValueError, match="HEVC has cosine transforms"):
        HEVCTransform(8, sine=True)
    with pytest.raises(ValueError, match="chroma_subsampling must be one of"):
        HEVCTransform(8, chroma_subsampling="4:2:1")
    for size in (4, 16):
        with pytest.raises(ValueError, match="give it the size of the transform"):
            TransformCodec(HEVCTransform(size), HEVCQuantizer(20)).encode(smooth(3, 16, 16))
    with pytest.raises(ValueError, match=r"torch.uint8; got torch.float32"):
        HEVCTransform()(torch.rand(3, 8, 8))
    with pytest.raises(ValueError, match="1 or 3, height, width"):
        HEVCTransform().layout((2, 8, 8))
    with pytest.raises(ValueError, match="grey and colour images; got 5 channels"):
        TransformCodec(HEVCTransform(), HEVCQuantizer(20)).decode(torch.zeros(5, 8, 8, dtype=torch.int16))
