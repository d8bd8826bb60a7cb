"""Shards against the data that they were written from."""

import json
import shutil
import statistics

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image
from torch.utils.data import TensorDataset

from lossy_lightning.codecs import JPEG, PCM, VQ
from lossy_lightning.core import Codec, CodeSpec, Field
from lossy_lightning.data import CodedFolder, Digits, EncodedDataModule, ShardedCodes, write_shards

pytest.importorskip("litdata")


class Odd(Codec):
    """Fields of 3, 11 and 0 bits, one constant and one that may be absent; all are told by a pixel."""

    idempotent = True

    def encode(self, signal):
        first = signal.to(torch.int16)
        one = first.flatten(-2)[..., :1, None].expand_as(first)
        absent = torch.where(first > 200, -1, first % 5)
        return torch.cat([first % 8, one - 1000, torch.zeros_like(first), absent], -3)

    def decode(self, code, shape=None):
        return code[..., :1, :, :].to(torch.uint8)

    def spec(self, shape):
        fields = [
            Field("low", (0,), (7,), True),
            Field("one", (-1000,), (1000,), True, constant=True),
            Field("none", (0,), (0,), True),
            Field("stage", (0,), (4,), False, absent=-1),
        ]
        return CodeSpec(fields, shape[1:])


class Made(EncodedDataModule):
    """Images whose number is their target, and other targets if asked for."""

    num_classes = 700
    totals = {"train": 600, "val": 20, "test": 30}

    def __init__(self, codec, cache_dir=None, size=None, batch_size=64, num_workers=0, targets="number"):
        super().__init__(codec, cache_dir=cache_dir, batch_size=batch_size, num_workers=num_workers)
        self.signal_shape = (1, 2, size)
        self.targets = targets

    def signals(self, split):
        generator = torch.Generator().manual_seed(len(split))
        count = self.totals[split]
        if self.signal_shape[2] is not None:
            return TensorDataset(
                torch.randint(0, 256, (count, 1, 2, self.signal_shape[2]), generator=generator).to(torch.uint8),
                torch.arange(count),
            )
        widths = torch.randint(1, 9, (count,), generator=generator).tolist()
        signals = [torch.randint(0, 256, (1, 2, w), generator=generator).to(torch.uint8) for w in widths]
        return [(signal, {"name": f"n{i}", "box": torch.tensor([i, 0.5])}) for i, signal in enumerate(signals)]


def examples(data, split):
    """Pairs of code and target, in order."""
    return [data._dataset(split)[i] for i in range(len(data._dataset(split)))]


def same(one, other):
    return all(torch.equal(a, b) and str(s) == str(t) for (a, s), (b, t) in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Data of the digits, and their shards in chunks of one block or two."""
    root = tmp_path_factory.mktemp("digits")
    data = Digits(VQ((2, 2), 16), cache_dir=root / "cache")
    write_shards(data, root / "shards", chunk_bytes=2500)
    return data, root / "shards"


def test_codes_targets_and_all_else_are_those_of_the_data(digits):
    data, folder = digits
    shards = ShardedCodes(folder)
    for split in ("val", "test"):
        assert same(examples(shards, split), examples(data, split))
    order = lambda pairs: sorted((code.flatten().tolist(), int(target)) for code, target in pairs)  # noqa: E731
    assert order(examples(shards, "train")) == order(examples(data, "train"))
    assert shards.spec == data.spec
    assert shards.num_classes == 10
    assert shards.codec.fingerprint() == data.codec.fingerprint()
    assert torch.allclose(shards.statistics.mean, data.statistics.mean)
    assert torch.allclose(shards.statistics.std, data.statistics.std)


def test_bytes_are_true_bits_targets_and_16_a_block(digits):
    _, folder = digits
    shards = ShardedCodes(folder)
    for split, index in shards.index.splits.items():
        blocks = sum(len(chunk.counts) for chunk in index.chunks)
        stored = sum(path.stat().st_size for path in (folder / split).glob("*.bin"))
        bits = len(index) * shards.spec.num_bits
        assert stored <= -(-bits // 8) + blocks + len(index) + 16 * blocks + 8 * len(index.chunks)
        assert len(index.chunks) > 1 or split != "train"


def test_training_sees_each_example_once_in_an_order_of_its_own_epoch(digits):
    data, folder = digits
    torch.manual_seed(5)
    loader = ShardedCodes(folder, num_workers=2).train_dataloader()
    first, second = (torch.cat([code for code, _ in loader]) for _ in range(2))
    assert len(first) == len(examples(data, "train"))
    assert not torch.equal(first, second)
    assert sorted(first.flatten(1).tolist()) == sorted(second.flatten(1).tolist())
    torch.manual_seed(5)
    again = torch.cat([code for code, _ in ShardedCodes(folder).train_dataloader()])
    assert torch.equal(first, again)


def test_litdata_reads_the_items(digits):
    from litdata import StreamingDataset

    _, folder = digits
    items = StreamingDataset(str(folder / "train"))
    counts = [count for chunk in ShardedCodes(folder).index.splits["train"].chunks for count in chunk.counts]
    assert [int(np.frombuffer(items[i][:4], "<u4")[0]) for i in range(len(items))] == counts


@pytest.mark.parametrize("size", [3, None])
def test_fields_of_any_width_and_codes_of_any_size(tmp_path, size):
    data = Made(Odd(), tmp_path, size=size)
    if size is None:
        del Made.num_classes
    try:
        write_shards(data, tmp_path / "shards", chunk_bytes=1000)
        shards = ShardedCodes(tmp_path / "shards", Odd())
    finally:
        Made.num_classes = 700
    assert same(examples(shards, "test"), examples(data, "test"))
    batch = next(iter(shards.test_dataloader()))
    expected = next(iter(data.test_dataloader()))
    assert str(batch) == str(expected)
    if size is None:
        shards = ShardedCodes(tmp_path / "shards", Odd(), batch_size=16, sorted_batches=16)
        spread = [len(set(grid_size[:, 1].tolist())) for *_, grid_size in shards.train_dataloader()]
        assert statistics.median(spread) <= 2  # of eight widths


def test_a_second_run_verifies(digits):
    data, folder = digits
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.bin")}
    write_shards(data, folder, chunk_bytes=2500)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.bin")} == before


def test_what_is_damaged_is_told_and_made_anew(digits, tmp_path):
    data, folder = digits
    shutil.copytree(folder, tmp_path / "shards")
    chunk = tmp_path / "shards" / "test" / "chunk-0-0.bin"
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(ValueError, match=r"chunk-0-0.bin is damaged or missing; write the shards again"):
        next(iter(ShardedCodes(tmp_path / "shards").test_dataloader()))
    write_shards(data, tmp_path / "shards", chunk_bytes=2500)
    assert chunk.read_bytes() == (folder / "test" / "chunk-0-0.bin").read_bytes()


def test_a_run_that_was_killed_goes_on(digits, tmp_path):
    """Whichever file was the last that it wrote, the shards come out the same, and half of them are never read."""
    data, folder = digits
    index = json.loads((folder / "codes.json").read_text())
    shutil.copytree(folder, tmp_path / "shards")
    del (
        index["splits"]["train"]["chunks"][2:],
        index["splits"]["val"]["chunks"][:],
        index["splits"]["test"]["chunks"][:],
    )
    (tmp_path / "shards" / "codes.json").write_text(json.dumps(index | {"complete": False}))
    for path in [*(tmp_path / "shards").rglob("chunk-0-[2-9].bin"), *(tmp_path / "shards" / "test").iterdir()]:
        path.unlink()
    (tmp_path / "shards" / "train" / "chunk-0-2.bin").write_bytes(b"half")
    with pytest.raises(ValueError, match="not complete: write them again, which goes on from there"):
        ShardedCodes(tmp_path / "shards")
    kept = (tmp_path / "shards" / "train" / "chunk-0-1.bin").stat().st_mtime_ns
    write_shards(data, tmp_path / "shards", chunk_bytes=2500)
    assert (tmp_path / "shards" / "train" / "chunk-0-1.bin").stat().st_mtime_ns == kept
    for path in folder.rglob("*"):
        assert path.is_dir() or path.read_bytes() == (tmp_path / "shards" / path.relative_to(folder)).read_bytes()


def test_another_codec_is_refused_by_name(digits):
    data, folder = digits
    with pytest.raises(ValueError, match=r"were made by codec = .*VQ.*; got .*PCM"):
        ShardedCodes(folder, PCM())
    with pytest.raises(ValueError, match=r"holds shards whose codecs are .*VQ.*, not .*PCM"):
        write_shards(Digits(PCM(), cache_dir=data.cache_dir), folder)


def test_there_must_be_shards(tmp_path):
    with pytest.raises(FileNotFoundError, match="there are no shards at"):
        ShardedCodes(tmp_path)
    with pytest.raises(ValueError, match=r"shards lie in a folder, or at s3://.*; got ftp://host"):
        ShardedCodes("ftp://host")


def test_a_file_is_no_place_for_shards(digits, tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/shards"):
        with pytest.raises(ValueError, match=r"cannot hold shards, for .*file is a file and no folder: write to"):
            write_shards(digits[0], tmp_path / place)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 1, "lossy_lightning": "", "splits": {"train": {}}}'])
def test_a_broken_index_is_told(digits, tmp_path, text):
    (tmp_path / "codes.json").write_text(text)
    for use in (ShardedCodes, lambda folder: write_shards(digits[0], folder)):
        with pytest.raises(
            ValueError, match=r"codes.json or .* is damaged \(.*\): remove .*, and write the shards anew"
        ):
            use(tmp_path)
    (tmp_path / "codes.json").write_text('{"format": 0, "lossy_lightning": "0.1"}')
    with pytest.raises(ValueError, match=r"holds shards of another version, 0.1: remove them"):
        ShardedCodes(tmp_path)


def test_one_process_writes(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 3)
    with pytest.raises(MisconfigurationException, match=r"written by one process, .* but this is rank 3: write them"):
        write_shards(digits[0], tmp_path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Forty photos of two sizes in two classes, one of them cut off."""
    root = tmp_path_factory.mktemp("photos")
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    for i in range(40):
        path = root / ("train", "test")[i % 2] / "ab"[i // 2 % 2] / f"{i:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(pixels, i)[: 32 + 16 * (i % 3 > 0)]).save(path)
    return root


def test_files_stay_what_they_are(photos, tmp_path):
    data = CodedFolder(JPEG(), photos, crop=32, cache_dir=tmp_path)
    write_shards(data, tmp_path / "shards")
    shards = ShardedCodes(tmp_path / "shards", crop=32)
    assert same(examples(shards, "test"), examples(data, "test"))
    content = next(iter(sorted((photos / "test" / "a").iterdir()))).read_bytes()
    assert content in (tmp_path / "shards" / "test" / "chunk-0-0.bin").read_bytes()
    batch = next(iter(shards.train_dataloader()))
    assert batch[0].shape == (18, 384, 2, 2)
    assert shards.classes == ("a", "b")
    whole = ShardedCodes(tmp_path / "shards")
    assert next(iter(whole.test_dataloader()))[2].shape == (20, 2)
    with pytest.raises(ValueError, match="multiple of 16"):
        ShardedCodes(tmp_path / "shards", crop=20)
