import pytest
import torch

from lossy_lightning.functional import wavelet_packet
from lossy_lightning.nn import (
    BlockDecoder,
    BlockEncoder,
    ConvDecoder,
    ConvEncoder,
    DenseDecoder,
    GDNDecoder,
    GDNEncoder,
    WaveletDecoder,
    WaveletEncoder,
)
from lossy_lightning.profiling import count_macs


@pytest.mark.parametrize(
    ("encoder", "decoder", "shape", "grid"),
    [
        (BlockEncoder((4, 4), 5), BlockDecoder((4, 4), 5), (1, 28, 28), (7, 7)),
        (BlockEncoder((2, 8), 5, (), 3), BlockDecoder((2, 8), 5, (), 3), (3, 8, 16), (4, 2)),
        (BlockEncoder((4, 4), 5, grid=(7, 7)), BlockDecoder((4, 4), 5, grid=(7, 7)), (1, 28, 28), (7, 7)),
        (BlockEncoder((4, 2), 5, channels=3), DenseDecoder((4, 2), 5, (3, 7), (8,), 3), (3, 12, 14), (3, 7)),
        (BlockEncoder((16,), 5), DenseDecoder((16,), 5, (4,), ()), (1, 64), (4,)),
        (BlockEncoder((16,), 5, (8, 8, 8)), BlockDecoder((16,), 5, (8, 8, 8)), (1, 64), (4,)),
        (ConvEncoder(5), ConvDecoder(5), (1, 28, 28), (7, 7)),
        (ConvEncoder(5, (8,), 3), ConvDecoder(5, (8,), 3), (3, 6, 10), (3, 5)),
        (ConvEncoder(5, (8, 8, 8), dimensions=1), ConvDecoder(5, (8, 8, 8), dimensions=1), (1, 40), (5,)),
        (GDNEncoder(5, (8,)), GDNDecoder(5, (8,)), (3, 16, 20), (4, 5)),
        (GDNEncoder(5, (), 1, 1), GDNDecoder(5, (), 1, 1), (1, 40), (20,)),
        (WaveletEncoder(5), WaveletDecoder(5, (8, 8)), (3, 16, 24), (2, 3)),
        (WaveletEncoder(5, 4, 1, 1), WaveletDecoder(5, (), 4, 1, 1), (1, 64), (4,)),
    ],
)
def test_shapes(encoder, decoder, shape, grid):
    signal = torch.randn(2, *shape)
    features = encoder(signal)
    assert features.shape == (2, 5, *grid)
    assert encoder.stride == tuple(size // cells for size, cells in zip(shape[1:], grid, strict=True))
    assert decoder(features).shape == signal.shape


def test_a_block_encoder_is_the_same_small_network_for_each_block():
    encoder = BlockEncoder((4, 4), 4)
    image = torch.randn(1, 1, 28, 28)
    whole = encoder(image)
    torch.testing.assert_close(whole[..., 2, 5], encoder(image[..., 8:12, 20:24])[..., 0, 0])


@pytest.mark.parametrize("grid", [None, (7, 7)])
def test_no_gradient_comes_from_outside_the_block(grid):
    image = torch.randn(1, 1, 28, 28, requires_grad=True)
    BlockEncoder((4, 4), 4, grid=grid)(image)[0, :, 2, 5].sum().backward()
    touched = image.grad[0, 0] != 0
    assert touched[8:12, 20:24].any()
    touched[8:12, 20:24] = False
    assert not touched.any()


def test_a_block_decoder_writes_its_own_block_alone():
    features = torch.randn(1, 4, 7, 7, requires_grad=True)
    BlockDecoder((4, 4), 4)(features)[0, 0, 8:12, 20:24].sum().backward()
    touched = (features.grad[0] != 0).any(0)
    assert touched.nonzero().tolist() == [[2, 5]]


def test_a_dense_decoder_reads_all_cells():
    features = torch.randn(1, 4, 7, 7, requires_grad=True)
    DenseDecoder((4, 4), 4, (7, 7))(features)[0, 0, 9, 21].backward()
    assert features.grad.count_nonzero() == 196


def test_a_dense_decoder_reads_flipped_features_in_training_alone():
    decoder = DenseDecoder((4, 4), 4, (1, 1), hidden=(), flip_probability=0.1)
    layer = next(layer for layer in decoder if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        layer.weight.copy_(torch.eye(16, 4))
        layer.bias.zero_()
    features = torch.randn(20_000, 4, 1, 1)
    flipped = decoder(features).flatten(1)[:, :4] / features.flatten(1)
    assert flipped.unique().tolist() == [-1, 1]
    assert (flipped < 0).float().mean().item() == pytest.approx(0.1, abs=0.005)
    assert torch.equal(decoder.eval()(features).flatten(1)[:, :4], features.flatten(1))


def test_cost_of_the_block_encoder_on_mnist():
    # 49 blocks x (16 x 64 + 64 x 4)
    for encoder in (BlockEncoder((4, 4), 4), BlockEncoder((4, 4), 4, grid=(7, 7))):
        assert count_macs(encoder, torch.zeros(1, 1, 28, 28)) == {32: 62_720}


def test_each_place_learns_biases_of_its_own():
    encoder = BlockEncoder((4, 4), 4, grid=(7, 7))
    encoder(torch.zeros(1, 1, 28, 28))[..., 2, 5].sum().backward()
    biases = [parameter.grad for parameter in encoder.parameters() if parameter.shape[1:] == (7, 7)]
    assert [bias.shape[0] for bias in biases] == [64, 4]
    for bias in biases:
        assert bias.any(0).nonzero().tolist() == [[2, 5]]


def test_mistakes():
    with pytest.raises(ValueError, match=r"1 axis .* or 2 .*; got 3"):
        BlockEncoder((2, 2, 2), 4)
    with pytest.raises(ValueError, match=r"1 axis .* or 2 .*; got 0"):
        ConvEncoder(4, dimensions=0)
    with pytest.raises(ValueError, match="so at least one is needed; got none"):
        ConvEncoder(4, ())
    with pytest.raises(ValueError, match="so at least one is needed; got none"):
        ConvDecoder(4, ())
    with pytest.raises(ValueError, match=r"the grid has an axis for each .*; got grid=\(7,\)"):
        BlockEncoder((4, 4), 4, grid=(7,))
    with pytest.raises(ValueError, match=r"knows signals of \(7, 7\) blocks; got \(8, 7\)"):
        BlockEncoder((4, 4), 4, grid=(7, 7))(torch.zeros(1, 1, 32, 28))
    with pytest.raises(ValueError, match=r"the grid has an axis for each .*; got grid=\(7,\)"):
        DenseDecoder((4, 4), 4, grid=(7,))
    with pytest.raises(ValueError, match=r"knows signals of \(7, 7\) blocks; got \(7, 8\)"):
        DenseDecoder((4, 4), 4, grid=(7, 7))(torch.zeros(1, 4, 7, 8))
    with pytest.raises(ValueError, match=r"flip_probability is a number from 0 to 1; got 1\.5"):
        DenseDecoder((4, 4), 4, grid=(7, 7), flip_probability=1.5)


def test_linear_analysis_is_companded_to_8_bits_and_expanded_again():
    encoder, decoder = WaveletEncoder(192), WaveletDecoder(192, hidden=())
    with torch.no_grad():
        for layer in (encoder.linear, decoder.linear):
            layer.weight.copy_(torch.eye(192)[..., None, None])
            layer.bias.zero_()
    image = 0.1 * torch.randn(2, 3, 16, 24)
    latents = encoder(image)
    expected = 2 * torch.distributions.Normal(0, 1).cdf(wavelet_packet(image, 3, 2)) - 1
    assert torch.allclose(latents / 127.499, expected, atol=1e-5)
    assert torch.allclose(decoder(latents), image, atol=1e-4)
    assert encoder(100 * image).abs().max() < 127.5
    assert decoder(torch.full((1, 192, 1, 1), 127.0)).isfinite().all()


def test_cost_of_linear_analysis():
    # Both axes of 32x32 pixels in 3 channels by a matrix of 32x32, and 4x4 cells of 192 x 12.
    assert count_macs(WaveletEncoder(12), torch.zeros(1, 3, 32, 32)) == {32: 2 * 32**3 * 3 + 16 * 192 * 12}
    assert sum(parameter.numel() for parameter in WaveletEncoder(12).parameters()) == 192 * 12 + 12
