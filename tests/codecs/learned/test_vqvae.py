import copy
import pickle
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from vector_quantize_pytorch import FSQ, LFQ, ResidualVQ, SimVQ, VectorQuantize

from lossy_lightning.codecs import VQVAE
from lossy_lightning.codecs.learned._quantizers import nearest_indices, quantize, words
from lossy_lightning.codecs.learned._signals import from_unit, to_unit
from lossy_lightning.core import CodeSpec, Field, InputError
from lossy_lightning.nn import Bits, BlockDecoder, BlockEncoder, ConvDecoder, ConvEncoder
from lossy_lightning.testing import check_codec

QUANTIZERS = {
    "vq": lambda: VectorQuantize(4, 16, threshold_ema_dead_code=1),
    "cosine": lambda: VectorQuantize(4, 16, use_cosine_sim=True),
    "learnable": lambda: VectorQuantize(4, 16, learnable_codebook=True, ema_update=False),
    "residual": lambda: ResidualVQ(dim=4, num_quantizers=3, codebook_size=16),
    "fsq": lambda: FSQ([5, 5, 3, 3]),
    "fsq-two": lambda: FSQ([4, 4], num_codebooks=2),
    # All LFQs share one default activation, so what sets the mode of one sets that of another.
    "lfq": lambda: LFQ(dim=4, straight_through_activation=nn.Identity()),
    "lfq-two": lambda: LFQ(dim=4, codebook_size=4, num_codebooks=2, straight_through_activation=nn.Identity()),
}
LEVELS = {"residual": (16,) * 3, "fsq": (225,), "fsq-two": (16, 16), "lfq-two": (4, 4)}
every_quantizer = pytest.mark.parametrize("name", QUANTIZERS)
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in QUANTIZERS if name != "lfq"]


def images(count=5, size=(28, 28), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 1, *size), dtype=torch.uint8, generator=generator)


def block_codec(quantizer="lfq", block=(4, 4)):
    torch.manual_seed(0)
    return VQVAE(BlockEncoder(block, 4, (16,)), QUANTIZERS[quantizer](), BlockDecoder(block, 4, (16,)))


def conv_codec(quantizer="vq", dimensions=2):
    torch.manual_seed(0)
    encoder = ConvEncoder(4, (8, 8), dimensions=dimensions)
    return VQVAE(encoder, QUANTIZERS[quantizer](), ConvDecoder(4, (8, 8), dimensions=dimensions))


# The contract.


@pytest.mark.parametrize("name", ["lfq", *SLOW])
def test_codec_of_images(name):
    codec = block_codec(name)
    check_codec(codec, (1, 12, 9))
    levels = LEVELS.get(name, (16,))
    high = tuple(n - 1 for n in levels)
    assert codec.spec((1, 12, 9)) == CodeSpec([Field("code", (0,) * len(levels), high, ordinal=False)], (3, 3))


@pytest.mark.parametrize("name", ["residual"])
def test_codec_of_sounds(name):
    codec = conv_codec(name, dimensions=1)
    check_codec(codec, (1, 101))
    assert codec.spec((1, None)).shape[1:] == (None,)
    assert codec.decode(codec.encode(torch.zeros(1, 101, dtype=torch.int16))).dtype == torch.int16


def test_the_literature_setting():
    codec = conv_codec()
    assert codec.spec((1, 28, 28)) == CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False)
    assert codec.codebooks().shape == (1, 16, 4)


def test_colour_images_of_several_sizes():
    codec = VQVAE(BlockEncoder((8, 2), 4, channels=3), LFQ(dim=4), BlockDecoder((8, 2), 4, channels=3))
    signal = torch.randint(0, 256, (2, 3, 17, 5), dtype=torch.uint8)
    code = codec.encode(signal)
    codec.spec((3, 17, 5)).check(code)
    assert code.shape == (2, 1, 3, 3)
    assert codec.decode(code, (3, 17, 5)).shape == signal.shape


@pytest.mark.parametrize(("dtype", "samples"), [(torch.uint8, [0, 1, 128, 255]), (torch.int16, [-32768, -1, 32767])])
def test_samples_are_scaled_and_come_back(dtype, samples):
    signal = torch.tensor(samples, dtype=dtype)
    unit = to_unit(signal, torch.float64)
    assert (unit[0], unit[-1]) == (-1, 1)
    assert torch.equal(from_unit(unit, dtype), signal)
    beyond = torch.tensor([-1.5, 1.5])
    assert torch.equal(from_unit(beyond, dtype), signal[[0, -1]])


# What a quantizer says is what the code is.


@every_quantizer
def test_indices_are_those_of_the_library(name):
    quantizer = QUANTIZERS[name]().eval()
    features = torch.randn(6, 4, 5, 7, generator=torch.Generator().manual_seed(1))
    indices = nearest_indices(quantizer, features)
    flat, expected, *_ = quantizer(features.flatten(2).mT)
    assert torch.equal(indices.flatten(2), expected.view(6, 35, -1).mT.long())
    torch.testing.assert_close(words(quantizer, indices).flatten(2), flat.mT)


@pytest.mark.parametrize("name", ["learnable", "fsq", "fsq-two", "lfq", "lfq-two"])
def test_values_in_training_are_the_words(name):
    quantizer = QUANTIZERS[name]().train()
    features = torch.randn(6, 4, 5, 7, requires_grad=True)
    latents = quantize(quantizer, features)
    torch.testing.assert_close(latents.values, words(quantizer, latents.indices))


@every_quantizer
def test_the_gradient_passes_to_the_features(name):
    features = torch.randn(6, 4, 5, 7, requires_grad=True)
    latents = quantize(QUANTIZERS[name]().train(), features)
    assert latents.loss.shape == ()
    latents.values.square().sum().backward()
    assert features.grad.abs().sum() > 0


def test_the_loss_is_the_sum_of_the_stages():
    quantizer = ResidualVQ(dim=4, num_quantizers=2, codebook_size=8).train()
    twin, features = copy.deepcopy(quantizer), torch.randn(6, 4, 35)
    torch.testing.assert_close(quantize(quantizer, features).loss, twin(features.mT)[2].sum())


def test_binary_values_are_exactly_one_in_training():
    features = torch.randn(64, 4, 7, 7) * 3
    latents = quantize(LFQ(dim=4).train(), features)
    assert set(latents.values.unique().tolist()) == {-1.0, 1.0}


def test_stages_left_out_are_zero():
    quantizer = ResidualVQ(dim=4, num_quantizers=2, codebook_size=8)
    indices = torch.tensor([[[3], [-1]]])
    assert torch.equal(words(quantizer, indices)[0, :, 0], quantizer.codebooks[0, 3])


def test_bits_of_stored_codes_are_what_joint_training_saw():
    codec = block_codec("lfq")
    signal = images()
    seen = codec.train()(signal).values
    stem = Bits(codec.spec((1, 28, 28)))
    assert torch.equal(stem(codec.encode(signal)), seen)


def test_bits_of_several_codebooks_are_too():
    codec = block_codec("lfq-two")
    signal = images()
    assert torch.equal(Bits(codec.spec((1, 28, 28)))(codec.encode(signal)), codec(signal).values)


# Encoding trains nothing.


@pytest.mark.parametrize("name", ["vq", "residual", "fsq", "lfq"])
@pytest.mark.parametrize("training", [True, False])
def test_encoding_changes_no_state_and_no_mode(name, training):
    codec = block_codec(name).train(training)
    codec.decoder.eval()
    state = copy.deepcopy(codec.state_dict())
    first = codec.encode(images())
    codec.decode(first)
    assert all(torch.equal(value, state[key]) for key, value in codec.state_dict().items())
    assert (codec.training, codec.encoder.training, codec.decoder.training) == (training, training, False)
    assert torch.equal(codec.train(not training).encode(images()), first)


def test_training_moves_the_codebook():
    codec = block_codec("vq").train()
    before = codec.codebooks().clone()
    codec(images())
    assert not torch.equal(codec.codebooks(), before)


def test_codes_do_not_depend_on_the_batch():
    codec = conv_codec("vq")
    signal = images(count=200)
    together = codec.encode(signal)
    assert torch.equal(together, torch.cat([codec.encode(part) for part in signal.split(7)]))


def test_codebooks_that_wait_for_their_first_batch_are_refused():
    codec = VQVAE(BlockEncoder((4, 4), 4), VectorQuantize(4, 16, kmeans_init=True), BlockDecoder((4, 4), 4))
    with pytest.raises(RuntimeError, match="no codebooks yet; train it, or take it from a checkpoint"):
        codec.encode(images())
    codec.train()(images())
    codec.encode(images())


@pytest.mark.parametrize("quantizer", [VectorQuantize, partial(ResidualVQ, num_quantizers=2)])
def test_only_a_batch_of_training_makes_the_codebooks(quantizer):
    quantizer = quantizer(dim=4, codebook_size=16, kmeans_init=True)
    codec = VQVAE(BlockEncoder((4, 4), 4), quantizer, BlockDecoder((4, 4), 4))
    before = {name: tensor.clone() for name, tensor in codec.state_dict().items()}
    assert codec.eval()(images()).values.count_nonzero() > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in codec.state_dict().items())
    codec.train()(images(seed=1))
    assert codec.codebooks().count_nonzero() > 0


# Block-local codes.


def test_a_code_sees_its_own_block_alone():
    codec = block_codec("lfq")
    signal = images(count=50, size=(12, 12))
    other = images(count=50, size=(12, 12), seed=1)
    other[..., 4:8, 4:8] = signal[..., 4:8, 4:8]
    assert torch.equal(codec.encode(signal)[..., 1, 1], codec.encode(other)[..., 1, 1])
    assert not torch.equal(codec.encode(signal), codec.encode(other))  # the others' own blocks changed


def test_a_wider_encoder_sees_more():
    codec = conv_codec("fsq")
    signal = images(count=50, size=(12, 12))
    other = images(count=50, size=(12, 12), seed=1)
    other[..., 4:8, 4:8] = signal[..., 4:8, 4:8]
    features = [codec.encoder(to_unit(x))[..., 1, 1] for x in (signal, other)]
    assert not torch.equal(*features)


# Fingerprints.


def test_the_weights_are_part_of_the_fingerprint():
    codec, other = block_codec(), block_codec()
    assert codec.fingerprint() == other.fingerprint()
    with torch.no_grad():
        other.encoder[0].bias += 1
    assert codec.fingerprint() != other.fingerprint()


# Mistakes.


def test_what_is_no_quantizer_of_the_four_is_refused():
    with pytest.raises(ValueError, match=r"is a VectorQuantize, ResidualVQ, FSQ or LFQ .*; got SimVQ"):
        VQVAE(BlockEncoder((4, 4), 4), SimVQ(dim=4, codebook_size=16), BlockDecoder((4, 4), 4))


@pytest.mark.parametrize(
    ("quantizer", "message"),
    [
        (VectorQuantize(8, 16, codebook_dim=4), "has_projections=False; got True"),
        (VectorQuantize(4, 16, heads=2), "has_projections=False; got True"),
        (VectorQuantize(4, 16, accept_image_fmap=True), "accept_image_fmap=False; got True"),
        (VectorQuantize(4, 16, channel_last=False), "channel_last=True; got False"),
        (VectorQuantize(4, 16, affine_param=True), "affine_param=False; got True"),
        (FSQ([5, 5], channel_first=True), "channel_first=None; got True"),
        (ResidualVQ(dim=4, num_quantizers=2, codebook_size=8, beam_size=2), "beam_size=None; got 2"),
    ],
)
def test_quantizers_that_change_the_features_are_refused(quantizer, message):
    with pytest.raises(ValueError, match=f"must have ({message}): let the encoder give"):
        VQVAE(BlockEncoder((4, 4), 4), quantizer, BlockDecoder((4, 4), 4))


def test_an_encoder_without_stride_is_refused():
    with pytest.raises(ValueError, match=r"such as stride=\(4, 4\); got None from Identity"):
        VQVAE(nn.Identity(), LFQ(dim=4), nn.Identity())


@pytest.mark.parametrize("signal", [torch.zeros(1, 8, 8), torch.zeros(8, 8, dtype=torch.uint8)])
def test_other_signals_are_refused(signal):
    with pytest.raises(ValueError, match=r"takes signals \(..., channels, \*size\) with 2 sizes, of torch.uint8; got"):
        block_codec().encode(signal)
    with pytest.raises(ValueError, match="with 2 sizes; got shape"):
        block_codec().spec((1, 8))


@every_quantizer
def test_a_batch_of_no_signals_has_no_codes(name):
    codec, none = block_codec(name), images(0, (9, 12))
    assert codec.encode(none).shape == (0, len(LEVELS.get(name, (16,))), 3, 3)
    assert codec.round_trip(none).shape == none.shape


def test_networks_that_do_not_go_together_are_told():
    codec = block_codec()
    with pytest.raises(InputError, match=r"encoder does not take \(3, 8, 8\) of each example: Given groups=1"):
        codec.encode(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(InputError, match=r"encoder does not take \(3, 8, 8\)"):
        codec(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    codec = VQVAE(BlockEncoder((4, 4), 5), LFQ(dim=4), BlockDecoder((4, 4), 4))
    with pytest.raises(InputError, match=r"encoder makes \(5, 7, 7\) of .*, not \(4, 7, 7\)"):
        codec(images())
    codec = VQVAE(BlockEncoder((4, 4), 4), LFQ(dim=4), BlockDecoder((8, 8), 4))
    with pytest.raises(InputError, match=r"decoder makes \(1, 56, 56\) of .*, not \(1, 28, 28\)"):
        codec.decode(codec.encode(images()))
    codec = VQVAE(BlockEncoder((4, 4), 4, channels=3), LFQ(dim=4), BlockDecoder((4, 4), 4))
    with pytest.raises(InputError, match=r"decoder makes \(1, 28, 28\) of .*, not \(3, 28, 28\)"):
        codec.round_trip(images().expand(-1, 3, -1, -1))


def test_what_is_no_code_is_not_decoded():
    codec = block_codec()
    code = codec.encode(images())
    with pytest.raises(ValueError, match="ranges from 0 to 15; got 16 to 16"):
        codec.decode(torch.full_like(code, 16))
    with pytest.raises(ValueError, match=r"sizes \(28, 28\) is cropped to at most these; got \(28, 370\)"):
        codec.decode(code, (1, 28, 370))


@pytest.mark.parametrize("shape", [(1, 0, 7), (1, -5, 7)])
def test_signals_have_samples(shape):
    with pytest.raises(ValueError, match="has one or more samples along each axis; got sizes"):
        block_codec().spec(shape)
    if min(shape) == 0:
        with pytest.raises(ValueError, match="has one or more samples along each axis; got sizes"):
            block_codec().encode(torch.zeros(2, *shape, dtype=torch.uint8))


def test_a_missing_checkpoint_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"there is no checkpoint .*none.ckpt; train the codec first"):
        VQVAE.from_checkpoint(tmp_path / "none.ckpt")


@pytest.mark.parametrize("kind", ["empty", "cut", "text", "bytes", "letter", "pickle", "tensor"])
def test_a_file_that_is_no_checkpoint_is_told(tmp_path, kind):
    path = tmp_path / "a.ckpt"
    torch.save({"hyper_parameters": {}, "state_dict": {"weight": torch.zeros(1000)}}, path)
    content = {
        "empty": b"",
        "cut": path.read_bytes()[:2000],
        "text": b"codec: PCM\n",
        "bytes": bytes(range(256)),
        "letter": b"0",  # an unpickler pops what is not there
        "pickle": pickle.dumps(Path(), protocol=2),
    }
    if kind == "tensor":
        torch.save(torch.zeros(3), path)
    else:
        path.write_bytes(content[kind])
    with pytest.raises(ValueError, match=r"a.ckpt is empty, damaged or no checkpoint; expected is that of") as caught:
        VQVAE.from_checkpoint(path)
    assert caught.value.__context__ is None  # torch's advice is left out


def test_a_checkpoint_without_the_codec_is_told(tmp_path):
    torch.save({"hyper_parameters": {}, "state_dict": {}}, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="does not say how its codec is made"):
        VQVAE.from_checkpoint(tmp_path / "a.ckpt")
