"""Feature hashing: signed, the same in every process, and unbiased."""

import torch

from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.nn import FeatureHash, OneHot


def matrix(stem, spec):
    """What each value of each channel adds, ``(sum(levels), buckets)``, by single values among absent ones."""
    rows = []
    for channel, (low, high) in enumerate(zip(spec.low, spec.high, strict=True)):
        for value in range(low, high + 1):
            code = torch.full((1, len(spec.low), 1), -1)
            code[0, channel] = value
            rows.append(stem(code)[0, :, 0])
    return torch.stack(rows)


def test_it_is_a_signed_hash_of_one_hot_vectors():
    spec = CodeSpec([Field("stages", (0,) * 8, (15,) * 8, False, absent=-1)], (None,))
    stem = FeatureHash(spec, 16)
    rows = matrix(stem, spec)
    assert torch.equal(rows.abs().sum(1), torch.ones(128))
    assert {*rows.unique().tolist()} == {-1.0, 0.0, 1.0}
    code = torch.randint(-1, 16, (3, 8, 5), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(stem(code), torch.einsum("nct,cb->nbt", OneHot(spec)(code), rows))
    assert torch.equal(FeatureHash(spec, 16)(code), stem(code))
    assert rows[:4].argmax(1).tolist() != [0, 1, 2, 3]


def test_buckets_and_signs_are_even():
    spec = CodeSpec([Field("stages", (0,) * 64, (63,) * 64, False, absent=-1)], (None,))
    stem = FeatureHash(spec, 8)
    code = torch.full((64 * 64, 64, 1), -1)
    code[torch.arange(4096), torch.arange(4096) // 64, 0] = torch.arange(4096) % 64
    rows = stem(code)[:, :, 0]
    counts = rows.abs().sum(0)
    assert (counts - 512).abs().max() < 5 * (512 * 7 / 8) ** 0.5
    assert rows.sum().abs() < 5 * 64


def test_inner_products_stay_on_average():
    """Over many numbers of buckets, which make other hashes."""
    spec = CodeSpec.uniform((30, 1), 0, 9, ordinal=False)
    a, b = (torch.randint(0, 10, (1, 30, 1), generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    same = int((a == b).sum())
    found = [float((FeatureHash(spec, n)(a) * FeatureHash(spec, n)(b)).sum()) for n in range(100, 164)]
    assert abs(sum(found) / len(found) - same) < 3
