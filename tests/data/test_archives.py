"""Files in archives against the same files in folders."""

import io
import tarfile

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from lossy_lightning.codecs import JPEG, MP3, PCM
from lossy_lightning.data import (
    BadFiles,
    EncodedDataModule,
    ParquetFiles,
    ShardedCodes,
    TableFiles,
    TarFiles,
    write_shards,
)


def jpeg(i):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(i).integers(0, 255, (32 + 16 * (i % 2), 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "jpeg")
    return buffer.getvalue()


FILES = [jpeg(i) for i in range(6)]
CLASSES = [0, 1, 2, 0, 1, 2]


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@pytest.fixture
def tar(tmp_path):
    members = {f"set/{i:04}.{end}": each for i, file in enumerate(FILES) for end, each in
               (("jpg", file), ("cls", b"%d" % CLASSES[i]), ("json", b"{}"))}  # fmt: skip
    write_tar(tmp_path / "photos.tar", members)
    return tmp_path / "photos.tar"


class Table(list):
    """Rows by number and columns by name, as ``datasets`` have them."""

    def __getitem__(self, key):
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)


@pytest.fixture
def table():
    return Table({"image": {"bytes": file, "path": None}, "label": c} for file, c in zip(FILES, CLASSES, strict=True))


def check(source):
    """Codes and classes are those of the files."""
    for i, (file, number) in enumerate(zip(FILES, CLASSES, strict=True)):
        code, target = source[i]
        assert torch.equal(code, JPEG().read(file)[0])
        assert target == number
    code, targets, grid_size = source.__getitems__([0, 1])
    assert (code.shape, targets.tolist(), grid_size.tolist()) == ((2, 384, 3, 3), [0, 1], [[2, 3], [3, 3]])


def test_of_tars(tar):
    check(TarFiles(JPEG(), [tar]))
    cropped = TarFiles(JPEG(), [tar], label=lambda name: int(name[7:8]), crop=16, random=True)
    code, targets = cropped.__getitems__([0, 5])
    assert (code.shape, targets.tolist()) == ((2, 384, 1, 1), [0, 5])


def test_of_tables(table, tmp_path):
    check(TableFiles(JPEG(), table))
    (tmp_path / "0.jpg").write_bytes(FILES[0])
    table[0]["image"] = {"bytes": None, "path": str(tmp_path / "0.jpg")}
    check(TableFiles(JPEG(), table))
    with pytest.raises(ValueError, match=r"image of row 0 is decoded, Image, but .*Image\(decode=False\)"):
        TableFiles(JPEG(), Table([{"image": Image.new("RGB", (2, 2)), "label": 0}]))


def test_of_datasets(table):
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_list(list(table))
    check(TableFiles(JPEG(), made.cast_column("image", datasets.Image(decode=False))))


def test_of_parquet_files(table, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(list(table)), tmp_path / "a.parquet", row_group_size=4)
    check(ParquetFiles(JPEG(), [tmp_path / "a.parquet"]))
    plain = [{"photo": file, "label": number} for file, number in zip(FILES, CLASSES, strict=True)]
    parquet.write_table(pyarrow.Table.from_pylist(plain), tmp_path / "b.parquet")
    check(ParquetFiles(JPEG(), [tmp_path / "b.parquet"], "photo"))
    with pytest.raises(ValueError, match="has the columns"):
        ParquetFiles(JPEG(), [tmp_path / "b.parquet"])


def words():
    """MP3 files of two lengths."""
    for length in (6000, 9000):
        buffer = io.BytesIO()
        soundfile.write(buffer, np.random.default_rng(length).standard_normal(length) / 8, 16_000, format="MP3")
        yield buffer.getvalue()


def test_of_sounds(tmp_path):
    codec, files = MP3(64, 16_000, 1), list(words())
    members = {f"{i}.{end}": each for i, file in enumerate(files) for end, each in (("mp3", file), ("cls", b"%d" % i))}
    write_tar(tmp_path / "words.tar", members)
    sources = [
        TarFiles(codec, [tmp_path / "words.tar"]),
        TableFiles(codec, Table({"audio": {"bytes": file}, "label": i} for i, file in enumerate(files)), "audio"),
    ]
    for source in sources:
        codes, targets, grid_size = source.__getitems__([0, 1])
        for i, file in enumerate(files):
            whole = codec.read(file)[0]
            assert torch.equal(codes[i, :, : whole.shape[1]], whole)
            assert (targets[i], grid_size[i]) == (i, whole.shape[1])
    cropped = TarFiles(codec, [tmp_path / "words.tar"], crop=codec.pitch[0] * 4, random=True)
    assert cropped.__getitems__([0, 1])[0].shape[:2] == codes.shape[:2]


class Photos(EncodedDataModule):
    signal_shape, num_classes = (3, 16, 16), 3

    def __init__(self, tar, bad_files=BadFiles.REFUSE, cache_dir=None):
        super().__init__(JPEG(), cache_dir=cache_dir, batch_size=4, val_fraction=0.0)
        self.tar = tar
        self.bad_files = bad_files

    def codes(self, split):
        return TarFiles(JPEG(), [self.tar], crop=16, random=split == "train", bad_files=self.bad_files)


def test_bad_members_are_refused_or_left_out(tar, tmp_path):
    members = {"0.jpg": FILES[0], "0.cls": b"0", "1.jpg": FILES[1][:-200], "1.cls": b"1", "2.jpg": b"", "2.cls": b"2"}
    write_tar(tmp_path / "bad.tar", members)
    with pytest.raises(ValueError, match=r"2 of 3 files in TarFiles cannot be used .*bad.tar/1.jpg"):
        list(Photos(tmp_path / "bad.tar").test_dataloader())
    with pytest.warns(UserWarning, match=r"2 of 3 files in TarFiles are left out .*bad.tar/2.jpg: it has no bytes"):
        (batch,) = Photos(tmp_path / "bad.tar", BadFiles.SKIP).test_dataloader()
    assert batch[1].tolist() == [0]


def test_shards_are_made_of_archives(tar, tmp_path):
    pytest.importorskip("litdata")
    write_shards(Photos(tar, cache_dir=tmp_path), tmp_path / "shards")
    shards = ShardedCodes(tmp_path / "shards", crop=16, batch_size=4)
    for one, other in zip(shards.test_dataloader(), Photos(tar).test_dataloader(), strict=True):
        assert all(map(torch.equal, one, other))
    assert sum(FILES[i] in (tmp_path / "shards/test/chunk-0-0.bin").read_bytes() for i in range(6)) == 6


def test_mistakes_are_told(tar, tmp_path):
    with pytest.raises(ValueError, match=r"files of a standard, such as those of JPEG\(\); got PCM"):
        TableFiles(PCM(), Table([]))
    with pytest.raises(FileNotFoundError, match="there is no archive"):
        TarFiles(JPEG(), [tmp_path / "none.tar"])
    with pytest.raises(ValueError, match=r"set/0000.jpg in .* has no number of a class in set/0000.txt; got b''"):
        TarFiles(JPEG(), [tar], ".txt")
    with pytest.raises(ValueError, match="multiple of 16; got 20"):
        TarFiles(JPEG(), [tar], crop=20)
    tar.write_bytes(b"no archive" * 100)
    with pytest.raises(ValueError, match="is no tar archive"):
        TarFiles(JPEG(), [tar])
