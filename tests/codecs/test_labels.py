import copy
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn
from vector_quantize_pytorch import LFQ, ResidualVQ

from lossy_lightning.codecs import JPEG, PCM, VQ, VQVAE, Decoded, Labels, LearnedLabels, Relabeled, SimilarityLabels
from lossy_lightning.codecs._assigning import assign_labels
from lossy_lightning.data import Digits
from lossy_lightning.functional import to_bits, to_gray
from lossy_lightning.nn import BlockDecoder, BlockEncoder
from lossy_lightning.testing import check_codec


class Fixed(Labels):
    def __init__(self, labels):
        self.labels = torch.tensor(labels)

    def __call__(self, codec, signals):
        return self.labels

    def __repr__(self):
        return f"Fixed({self.labels.tolist()})"


class Words(VQ):
    """A VQ whose codebook is given."""

    def __init__(self, words):
        super().__init__((1, 1), len(words))
        self.words = words
        self.codebook = torch.tensor(words).float().view(len(words), -1)
        self._dtype = torch.uint8


def images(count=64, size=(12, 12)):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 1, *size), dtype=torch.uint8, generator=generator)


def residual_codec():
    torch.manual_seed(0)
    quantizer = ResidualVQ(dim=4, num_quantizers=2, codebook_size=8)
    return VQVAE(BlockEncoder((4, 4), 4), quantizer, BlockDecoder((4, 4), 4))


def hamming(a, b):
    return bin(int(a) ^ int(b)).count("1")


def score(labels, words):
    pairs = [(i, j) for i in range(len(words)) for j in range(len(words))]
    return sum(hamming(labels[i], labels[j]) * float((words[i] - words[j]).square().sum()) for i, j in pairs)


# Renumbering.


def test_the_contract():
    check_codec(Relabeled(VQ((4, 4), 8), SimilarityLabels(starts=2)), (1, 12, 9), signals=images(8, (12, 9)))


@pytest.mark.slow
def test_the_contract_of_several_indices():
    check_codec(Relabeled(residual_codec(), SimilarityLabels(starts=2)), (1, 12, 9), signals=images(8, (12, 9)))


@pytest.mark.parametrize("make", [lambda: VQ((4, 4), 8), residual_codec], ids=["vq", "residual"])
def test_signals_are_as_before_and_labels_one_to_one(make):
    inner, signal = make(), images()
    codec = Relabeled(inner, SimilarityLabels(starts=2)).fit([signal])
    plain, code = inner.encode(signal), codec.encode(signal)
    assert not torch.equal(plain, code)
    assert torch.equal(codec.decode(code), inner.decode(plain))
    assert torch.equal(codec.decode(code[0, ...], (1, 11, 12)), inner.decode(plain[0, ...], (1, 11, 12)))
    for before, after in zip(plain.unbind(1), code.unbind(1), strict=True):
        pairs = set(zip(before.flatten().tolist(), after.flatten().tolist(), strict=True))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    assert codec.spec((1, 12, 12)) == inner.spec((1, 12, 12))


def test_codebooks_follow_the_labels():
    inner = VQ((4, 4), 4).fit([images()])
    codec = Relabeled(inner, Fixed([[2, 0, 3, 1]])).fit([images()])
    code = codec.encode(images())
    words = codec.codebooks()[0][code.long()].squeeze(1).flatten(0, 2)
    expected = inner.codebooks()[0][inner.encode(images()).long()].squeeze(1).flatten(0, 2)
    assert torch.equal(words, expected)
    assert torch.equal(codec.codebooks()[0, 2], inner.codebooks()[0, 0])


def test_the_inner_codec_is_fitted_first():
    codec = Relabeled(VQ((4, 4), 8), SimilarityLabels(starts=1))
    assert not codec.fitted
    assert codec.codebooks() is None
    with pytest.raises(RuntimeError, match=r"no codebook yet|no labels yet"):
        codec.encode(images())
    codec.fit(iter([images(32), images(32)]))
    assert codec.fitted
    assert codec.codec.fitted


def test_state_goes_to_a_codec_that_is_not_fitted():
    codec = Relabeled(VQ((4, 4), 8), SimilarityLabels(starts=1)).fit([images()])
    other = Relabeled(VQ((4, 4), 8), SimilarityLabels(starts=1))
    other.load_state_dict(codec.state_dict())
    assert torch.equal(other.encode(images()), codec.encode(images()))
    assert other.fingerprint() == codec.fingerprint()


@pytest.mark.parametrize("labels", [[[0, 1, 1, 3]], [[0, 1, 2]], [[1, 2, 3, 4]]])
def test_labels_that_are_no_permutation_are_refused(labels):
    codec = Relabeled(VQ((4, 4), 4), Fixed(labels))
    with pytest.raises(ValueError, match=r"labels are 1 permutations of 0 to 3; Fixed\(.*\) gave \[\["):
        codec.fit([images()])


@pytest.mark.parametrize("inner", [PCM(), JPEG(quality=50)], ids=["pcm", "jpeg"])
def test_a_codec_without_codebooks_is_refused_at_once(inner):
    with pytest.raises(ValueError, match=r"labels are given to indices of codebooks of one size, which .* has not"):
        Relabeled(inner, SimilarityLabels())


def test_codes_that_are_no_indices_are_refused():
    inner = Decoded(PCM())
    with pytest.raises(ValueError, match="takes a codec of indices of codebooks of one size"):
        Relabeled(inner, SimilarityLabels()).spec((1, 16, 16))
    with pytest.raises(ValueError, match=r"labels are given to indices of codebooks of one size, which .* has not"):
        Relabeled(inner, SimilarityLabels()).fit([images()])


def test_a_datamodule_fits_it(cache_dir):
    data = Digits(Relabeled(VQ((2, 2), 16), SimilarityLabels(starts=2)), cache_dir=cache_dir)
    data.prepare_data()
    data.setup("fit")
    code, _ = next(iter(data.train_dataloader()))
    data.spec.check(code)
    again = Digits(Relabeled(VQ((2, 2), 16), SimilarityLabels(starts=2)), cache_dir=cache_dir)
    again.load_state_dict(data.state_dict())
    assert again.codec.fingerprint() == data.codec.fingerprint()


# Similarity.


def test_the_best_labels_of_four_words_are_found():
    words = torch.randn(4, 3, generator=torch.Generator().manual_seed(3))
    labels = SimilarityLabels()(Words(words.tolist()), [])[0]
    best = max(score(order, words) for order in permutations(range(4)))
    assert score(labels, words) == pytest.approx(best)


def test_corners_of_a_cube_get_their_own_bits_back():
    corners = (to_bits(torch.arange(16), 4) * 2 - 1)[torch.randperm(16, generator=torch.Generator().manual_seed(0))]
    labels = SimilarityLabels()(Words(corners.tolist()), [])[0]
    for i in range(16):
        for j in range(16):
            assert hamming(labels[i], labels[j]) == int((corners[i] != corners[j]).sum())


def test_it_beats_arbitrary_and_gray_labels():
    words = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    labels = SimilarityLabels()(Words(words.tolist()), [])[0]
    own = score(labels, words)
    arbitrary = [score(np.random.default_rng(seed).permutation(16), words) for seed in range(50)]
    assert own > max(*arbitrary, score(to_gray(torch.arange(16)), words))


def test_it_is_deterministic_and_depends_on_the_seed_only():
    words = torch.randn(16, 4).tolist()
    first, second = (SimilarityLabels(seed=3)(Words(words), []) for _ in range(2))
    assert torch.equal(first, second)


def test_more_words_than_are_swapped():
    words = torch.randn(100, 2)
    labels = SimilarityLabels(starts=1)(Words(words.tolist()), [])[0]
    assert sorted(labels.tolist()) == list(range(100))
    assert score(labels[:20], words[:20]) > score(range(20), words[:20])


def test_frequent_words_weigh_more():
    # Words 0 to 3 on a line; only 0 and 3 ever occur, so only their labels have to differ in both bits.
    codec, signal = Words([[0.0], [10.0], [20.0], [30.0]]), torch.tensor([0, 30, 0, 30]).view(1, 1, 2, 2)
    labels = SimilarityLabels(weighted=True)(codec, [signal.to(torch.uint8)])[0]
    assert hamming(labels[0], labels[3]) == 2


# Labels learned with a task.


def test_a_table_of_labels_gives_these_labels():
    labels = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    table = (to_bits(labels, 4) * 2 - 1).float()[None]
    assert torch.equal(assign_labels(table), labels[None])


def test_two_wishes_for_one_label_go_to_the_stronger():
    table = torch.tensor([[[0.2, 0.1], [1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]]])
    assert assign_labels(table).tolist() == [[2, 3, 1, 0]]


def test_learned_labels_come_from_a_checkpoint(tmp_path):
    path = tmp_path / "a.ckpt"
    labels = torch.randperm(16)
    torch.save({"state_dict": {"stem.bits": nn.Parameter((to_bits(labels, 4) * 2 - 1).float()[None])}}, path)
    rule = LearnedLabels(path)
    codec = Relabeled(VQ((4, 4), 16), rule).fit([images()])
    assert torch.equal(codec.permutation, labels[None])
    path.rename(tmp_path / "b.ckpt")
    moved = Relabeled(VQ((4, 4), 16), LearnedLabels(tmp_path / "b.ckpt")).fit([images()])
    assert moved.fingerprint() == codec.fingerprint()
    assert copy.deepcopy(codec).fingerprint() == codec.fingerprint()


def test_learned_labels_of_another_fit_are_refused(tmp_path):
    codec = VQ((4, 4), 16).fit([images()])
    state = {"codecs": {"codec": {"fingerprint": codec.fingerprint()}}}
    torch.save({"state_dict": {"stem.bits": torch.randn(1, 16, 4)}, "Digits": state}, tmp_path / "a.ckpt")
    rule = LearnedLabels(tmp_path / "a.ckpt")
    Relabeled(VQ((4, 4), 16), rule).fit([images()])
    with pytest.raises(ValueError, match="whose indices stand for other words: use the codec of that checkpoint"):
        Relabeled(VQ((4, 4), 16, seed=1), rule).fit([images()])


def test_learned_labels_of_other_runs_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"there is no checkpoint .*; train the labels first"):
        LearnedLabels(tmp_path / "none.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="is of a task whose stem is not LearnedBits"):
        LearnedLabels(tmp_path / "a.ckpt")


def test_binary_codes_already_have_labels_that_mean_something():
    torch.manual_seed(0)
    codec = VQVAE(BlockEncoder((4, 4), 4), LFQ(dim=4), BlockDecoder((4, 4), 4))
    labels = SimilarityLabels()(codec, [])[0]
    words = codec.codebooks()[0]
    assert score(labels, words) == pytest.approx(score(range(16), words))
