"""Folders of JPEG files; the files are Pillow's, and so is the image that codes are compared with."""

import io
import tracemalloc
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from PIL import Image

from lossy_lightning.bitstream.jpeg import read_coefficients, write_coefficients
from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.core import CodeSpec, FileCodec, InputError
from lossy_lightning.data import BadFiles, CodedFolder, JPEGFolder
from lossy_lightning.nn import InverseDCT, ResNet
from lossy_lightning.tasks import ClassificationTask
from tests.data.test_encoded import Mean

SIZES = [(64, 64), (50, 83), (97, 48), (48, 66)]
COUNT = 24  # divisible by the numbers of sizes, qualities and subsamplings, so that all of them meet


def picture(seed, height, width):
    """Smooth colours and some noise."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return (smooth + rng.integers(-9, 10, smooth.shape)).clip(0, 255).astype(np.uint8)


def write(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, "JPEG", **options)
    return path


@pytest.fixture
def uniform(tmp_path):
    """Two classes of 64x64 files of quality 75 and 4:2:0: 24 to train, 6 to test."""
    for split, count in (("train", COUNT), ("test", 6)):
        for i in range(count):
            write(tmp_path / "jpg" / split / "ab"[i % 2] / f"{i:02}.jpg", picture(i, 64, 64), subsampling="4:2:0")
    return tmp_path / "jpg"


@pytest.fixture
def mixed(tmp_path):
    """The same with native sizes, mixed qualities and subsamplings, and every sixth file grey."""
    for split, count in (("train", COUNT), ("test", 6)):
        for i in range(count):
            array = picture(i, *SIZES[i % 4])
            path = tmp_path / "jpg" / split / "ab"[i % 2] / f"{i:02}.JPEG"
            subsampling = ["4:2:0", "4:2:2", "4:4:4"][i % 3]
            write(
                path, array[..., 0] if i % 6 == 5 else array, quality=[50, 75, 95][i // 4 % 3], subsampling=subsampling
            )
    return tmp_path / "jpg"


def pillow(path):
    """Pillow's image of a file."""
    with Image.open(path) as image:
        image.load()
    return image


def folder(root, codec=None, **arguments):
    return JPEGFolder(codec or JPEG(), root, **{"batch_size": 8, "val_fraction": 0.25, **arguments})


def files(data, split):
    return [path for path, _ in data.codes(split).files]


def batches(loader):
    return list(loader)


def read(path, codec=None):
    return (codec or JPEG()).read(Path(path).read_bytes())[0]


def windows(code, height, width):
    """Every crop of a code in whole MCUs."""
    rows, columns = code.shape[1:]
    for top in range(rows - height + 1):
        for left in range(columns - width + 1):
            yield code[:, top : top + height, left : left + width]


# Crops.


def test_spec_and_classes(uniform):
    data = folder(uniform, crop=48)
    assert data.spec.shape == (384, 3, 3)
    assert data.num_classes == 2
    assert folder(uniform).spec.shape == (384, None, None)


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_takes_the_middle_in_the_order_of_files(uniform, split):
    data = folder(uniform, crop=32)
    loader = getattr(data, f"{split}_dataloader")()
    got = torch.cat([code for code, _ in loader])
    assert torch.equal(got, torch.stack([read(path)[:, 1:3, 1:3] for path in files(data, split)]))
    assert torch.equal(got, torch.cat([code for code, _ in loader]))
    targets = torch.cat([target for _, target in loader]).tolist()
    assert targets == ["ab".index(Path(path).parent.name) for path in files(data, split)]


def test_training_takes_a_slice_of_the_whole_code_at_random(uniform):
    data = folder(uniform, crop=48)
    dataset, seen = data.codes("train"), set()
    for _ in range(12):
        for path, code in zip(files(data, "train"), dataset.__getitems__(range(len(dataset)))[0], strict=True):
            (where,) = [i for i, window in enumerate(windows(read(path), 3, 3)) if torch.equal(code, window)]
            seen.add(where)
    assert seen == {0, 1, 2, 3}


def test_a_crop_follows_the_seed(uniform):
    dataset = folder(uniform, crop=32).codes("train")
    first, second = ((torch.manual_seed(seed), dataset.__getitems__(range(8)))[1][0] for seed in (1, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, dataset.__getitems__(range(8))[0])


def test_one_by_one_is_the_batch(uniform):
    dataset = folder(uniform, crop=32).codes("test")
    code, target = dataset.__getitems__([3, 0])
    assert torch.equal(code, torch.stack([dataset[3][0], dataset[0][0]]))
    assert target.tolist() == [dataset[3][1], dataset[0][1]]


def test_splits_share_no_file(uniform):
    data = folder(uniform)
    train, val = set(files(data, "train")), set(files(data, "val"))
    assert (len(train), len(val), train & val) == (18, 6, set())


@pytest.mark.parametrize("crop", [0, -16, 40])
def test_a_crop_that_cuts_mcus_is_an_error(uniform, crop):
    with pytest.raises(ValueError, match=f"crop must be a multiple of 16 pixels; got {crop}"):
        folder(uniform, crop=crop)


def test_no_thread_is_an_error(uniform):
    with pytest.raises(ValueError, match="num_threads is a whole number of at least 1; got 0"):
        folder(uniform, num_threads=0)


def test_a_transform_and_a_policy_in_text_are_errors(uniform):
    with pytest.raises(InputError, match="JPEGFolder reads codes, so it takes no transform of signals"):
        folder(uniform, transform=abs)
    with pytest.raises(InputError, match=r"bad_files is one of BadFiles.REFUSE, .*; got 'skip'"):
        folder(uniform, bad_files="skip")


def test_another_codec_is_an_error(uniform):
    with pytest.raises(MisconfigurationException, match="JPEGFolder reads codes of files, as JPEG has them; got PCM"):
        folder(uniform, PCM())


# Mixed folders.


def test_mixed_files_come_dequantized_in_one_layout(mixed):
    codec = JPEG(chroma_subsampling="4:2:0", dequantize=True)
    data = folder(mixed, codec, crop=48)
    for path, code in zip(files(data, "test"), torch.cat([code for code, _ in data.test_dataloader()]), strict=True):
        data.spec.check(code)
        image = pillow(path)
        want = np.asarray(image.convert("RGB"), np.int16)
        top, left = ((size - 48) // 16 + 1 for size in (image.height, image.width))
        top, left = top // 2 * 16, left // 2 * 16
        got = codec.decode(code, (3, 48, 48)).movedim(0, -1).numpy().astype(np.int16)
        error = np.abs(got - want[top : top + 48, left : left + 48])
        assert error.mean() < 4, path  # chroma is sampled anew where it was finer
        luma = got.mean(-1) - want[top : top + 48, left : left + 48].mean(-1)
        assert np.abs(luma).mean() < 3, path


def test_luma_of_mixed_files_is_the_files_own(mixed):
    data = folder(mixed, JPEG(dequantize=True), crop=None, batch_size=1)
    for path, (code, _, grid_size) in zip(files(data, "test"), data.test_dataloader(), strict=True):
        luma = read_coefficients(Path(path).read_bytes()).components[0]
        blocks = luma.coefficients.astype(int) * luma.quantization_table
        rows, columns = grid_size[0].tolist()
        mine = code[0, :256].view(2, 2, 64, rows, columns).permute(3, 0, 4, 1, 2).reshape(2 * rows, 2 * columns, 8, 8)
        height, width = min(2 * rows, blocks.shape[0]), min(2 * columns, blocks.shape[1])
        assert np.array_equal(mine[:height, :width], blocks[:height, :width])


def test_grey_files_have_chroma_of_zeros(mixed):
    data = folder(mixed, JPEG(dequantize=True), crop=32)
    (grey,) = [i for i, path in enumerate(files(data, "test")) if pillow(path).mode == "L"]
    code = data.codes("test")[grey][0]
    assert code[256:].eq(0).all()
    assert code[:256].ne(0).any()


def test_native_sizes_are_padded_and_named(mixed):
    data = folder(mixed, JPEG(dequantize=True))
    ((code, _, grid_size),) = data.test_dataloader()
    wanted = [-(-np.array(pillow(path).size[::-1]) // 16) for path in files(data, "test")]
    assert grid_size.tolist() == np.array(wanted).tolist()
    assert code.shape[2:] == (7, 6)
    data.spec.check(code)


def test_uniform_whole_files_have_grid_sizes_too(uniform):
    for batch in folder(uniform).test_dataloader():
        assert batch[2].tolist() == [[4, 4]] * len(batch[0])


def test_mixed_tables_need_a_codec_for_them(mixed):
    with pytest.raises(ValueError, match=r"\.JPEG: the file's quantization tables are not those of .*dequantize=True"):
        batches(folder(mixed, crop=32).train_dataloader())


def test_only_another_subsampling_is_named_as_that(uniform):
    write(uniform / "train/a/00.jpg", picture(0, 64, 64), subsampling="4:2:2")
    image = read_coefficients((uniform / "train/a/00.jpg").read_bytes())
    dataset = folder(uniform, val_fraction=0).codes("train")
    with pytest.raises(ValueError, match=r"00.jpg: the file has chroma subsampling 4:2:2, .*4:2:0, .*requantize=True"):
        dataset[0]
    for codec in (JPEG(requantize=True), JPEG(dequantize=True), JPEG(tables=True), JPEG(chroma_subsampling="4:2:2")):
        code = folder(uniform, codec, val_fraction=0, crop=64).codes("train")[0][0]
        luma = read_coefficients(codec.write(code, (3, 64, 64))).components[0]
        assert np.array_equal(luma.coefficients, image.components[0].coefficients)


def test_tables_travel_with_each_code(mixed):
    data = folder(mixed, JPEG(tables=True, chroma_subsampling="4:2:0"), crop=32)
    assert data.spec.shape == (384 + 192, 2, 2)
    ((code, _),) = data.test_dataloader()
    for path, one in zip(files(data, "test"), code, strict=True):
        table = read_coefficients(Path(path).read_bytes()).components[0].quantization_table
        assert np.array_equal(one[384:448, 0, 0].view(8, 8), table)


def test_crops_for_wide_mcus_are_whole_ones(mixed):
    codec = JPEG(75, "4:1:1", dequantize=True)
    with pytest.raises(ValueError, match="crop must be a multiple of 32 pixels; got 48"):
        folder(mixed, codec, crop=48)
    ((code, _),) = folder(mixed, codec, crop=32).test_dataloader()
    assert code.shape[1:] == (384, 4, 1)


def write_411(path, seed, height, width):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(simplejpeg.encode_jpeg(picture(seed, height, width), 75, colorsubsampling="411", fastdct=False))


def test_a_folder_of_4_1_1_is_cropped_by_its_own_codec(tmp_path):
    for split in ("train", "test"):
        for i in range(4):
            write_411(tmp_path / split / "ab"[i % 2] / f"{i}.jpg", i, 72 + 8 * i, 100)
    codec = JPEG(75, "4:1:1")
    data = folder(tmp_path, codec, crop=32, val_fraction=0)
    dataset, seen = data.codes("train"), set()
    for _ in range(12):
        for path, code in zip(files(data, "train"), dataset.__getitems__(range(4))[0], strict=True):
            (where,) = [i for i, window in enumerate(windows(read(path, codec), 4, 1)) if torch.equal(code, window)]
            seen.add(where)
    assert len(seen) > 6
    coarser = folder(tmp_path, JPEG(75, dequantize=True), crop=32).test_dataloader()
    for path, code in zip(files(data, "test"), torch.cat([code for code, _ in coarser]), strict=True):
        assert any(torch.equal(code, window) for window in windows(read(path, JPEG(dequantize=True)), 2, 2))


# Quality by class.


def test_a_stem_of_levels_refuses_classes_of_another_quality(uniform):
    """Their levels would be multiplied with the tables of the others."""
    for arguments in ({}, {"dequantize": True}):
        first, other = (JPEG(quality, requantize=True, **arguments) for quality in (75, 20))
        data = folder(uniform, first, crop=32, train_codecs={1: other})
        backbone = partial(ResNet, depths=[1], widths=[4], strides=[1], bottleneck=False)
        task = ClassificationTask(data.spec, 2, InverseDCT, backbone)
        trainer = Trainer(fast_dev_run=1, accelerator="cpu", logger=False, enable_progress_bar=False)
        if arguments:
            trainer.fit(task, data)
            continue
        with pytest.raises(MisconfigurationException, match=r"one codec, but those of .*JPEG\(quality=20.* differ"):
            trainer.fit(task, data)


def test_requantizing_starts_from_the_coded_image(uniform):
    coarse = JPEG(20, requantize=True)
    data = folder(uniform, crop=64, test_codecs={1: coarse})
    ((code, target),) = data.test_dataloader()
    for path, label, one in zip(files(data, "test"), target.tolist(), code, strict=True):
        if label == 0:
            assert torch.equal(one, read(path))
            continue
        luma = read_coefficients(Path(path).read_bytes()).components[0]
        table = np.array(Image.open(written(20)).quantization[0]).reshape(8, 8)
        exact = luma.coefficients.astype(float) * luma.quantization_table / table
        mine = one[:256].view(2, 2, 64, 4, 4).permute(3, 0, 4, 1, 2).reshape(8, 8, 8, 8).numpy()
        assert np.abs(mine - exact).max() <= 0.5


def written(quality):
    buffer = io.BytesIO()
    Image.fromarray(picture(0, 16, 16)).save(buffer, "JPEG", quality=quality)
    return buffer


def test_train_codecs_serve_train_and_val(uniform):
    coarse = JPEG(20, requantize=True)
    data = folder(uniform, crop=64, train_codecs=coarse)
    got = torch.cat([code for code, _ in data.val_dataloader()])
    assert torch.equal(got, torch.stack([read(path, coarse) for path in files(data, "val")]))
    assert torch.equal(data.codes("test")[0][0], read(files(data, "test")[0]))


# Bad files.


@pytest.fixture
def broken(uniform):
    """The folder with a truncated file, one that is no JPEG, one too small, in training."""
    good = (uniform / "train/a/00.jpg").read_bytes()
    (uniform / "train/a/00.jpg").write_bytes(good[:-300])
    (uniform / "train/a/04.jpg").write_bytes(b"GIF89a")
    write(uniform / "train/b/05.jpg", picture(0, 40, 90), subsampling="4:2:0")
    return uniform


BAD = ("a/00.jpg", "a/04.jpg", "b/05.jpg")


def source(root, split="train", **arguments):
    """Codes of a split, as if its headers had not been looked at."""
    data = folder(root, **{"crop": 48, "val_fraction": 0} | arguments)
    data._bad_headers = set()
    return data.codes(split)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named(broken, name):
    dataset = source(broken)
    index = [path.endswith(name) for path, _ in dataset.files].index(True)
    with pytest.raises(ValueError, match=rf"{name}: .*; repair or remove it, or leave it out by bad_files=BadFiles"):
        dataset[index]
    read = dataset.__getitems__([index])
    assert read.batch is None
    assert [bad.path[-8:] for bad in read.bad] == [name]


def test_all_bad_headers_of_all_splits_are_named_at_once_before_training(broken):
    (broken / "test/a/00.jpg").write_bytes(b"")
    (broken / "test/b/01.jpg").unlink()
    (broken / "test/b/01.jpg").symlink_to("nowhere")
    (broken / "test/b/03.jpg").write_bytes(b"RIFF")
    data = folder(broken, crop=48, max_pixels=64 * 64 - 1, val_fraction=0)
    with pytest.raises(ValueError, match=r"30 of 30 files in .*25 too large"):
        data.setup("fit")
    data = folder(broken, crop=48, val_fraction=0)
    with pytest.raises(ValueError, match=r"^5 of 30 files in ") as caught:
        data.setup("fit")
    text = str(caught.value)
    assert (
        "(2 of another format, or with a broken header, 1 not what the codec or crop takes, 1 empty, 1 missing)" in text
    )
    for name in (BAD[1], BAD[2], "test/a/00.jpg", "test/b/01.jpg", "test/b/03.jpg"):
        assert f"{name}: " in text


def test_bad_files_are_skipped_and_counted(broken):
    data = folder(broken, crop=48, val_fraction=0, bad_files=BadFiles.SKIP, batch_size=COUNT)
    with pytest.warns(UserWarning, match=r"^2 of 30 files in .* are left out \(1 of another format"):
        data.setup("fit")
    with pytest.warns(UserWarning, match=r"^1 of .* are left out \(1 broken or cut off\), 3 altogether: .*a/00.jpg"):
        ((code, target),) = data.train_dataloader()
    assert len(code) == len(target) == COUNT - 3
    with warnings.catch_warnings(action="error"):  # told once
        batches(data.train_dataloader())


@pytest.mark.filterwarnings("ignore:.* left out:UserWarning")
def test_a_first_file_that_is_bad_does_not_end_it(broken, tmp_path):
    data = folder(broken, crop=48, val_fraction=0, bad_files=BadFiles.SKIP, cache_dir=tmp_path / "cache")
    data.setup("fit")
    assert sum(len(code) for code, _ in data.train_dataloader()) == COUNT - 3
    assert data.statistics.mean.shape == (384,)


@pytest.mark.filterwarnings("ignore:.* left out:UserWarning")
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_batch_of_bad_files_is_left_out_and_in_training_replaced(uniform, num_workers):
    for path in (*sorted((uniform / "test/a").iterdir())[1:], *sorted((uniform / "train/a").iterdir())[:6]):
        path.write_bytes(path.read_bytes()[:-200])
    data = folder(uniform, crop=48, val_fraction=0, bad_files=BadFiles.SKIP, batch_size=2, num_workers=num_workers)
    assert [len(code) for code, _ in data.test_dataloader()] == [1, 1, 2]  # of 1 and 2 bad files
    data.batch_size = 1
    assert [len(code) for code, _ in data.test_dataloader()] == [1, 1, 1, 1]
    # Lightning counts on the number of training batches.
    assert [len(code) for code, _ in data.train_dataloader()] == [1] * COUNT


@pytest.mark.filterwarnings("ignore:.* left out:UserWarning")
def test_an_epoch_without_a_good_file_is_an_error(uniform):
    for path in (uniform / "test").rglob("*.jpg"):
        path.write_bytes(path.read_bytes()[:-200])
    data = folder(uniform, crop=48, val_fraction=0, bad_files=BadFiles.SKIP, batch_size=2)
    with pytest.raises(
        ValueError, match=r"an epoch without one good file, of 30 files in .* 6 are left out \(6 broken"
    ):
        batches(data.test_dataloader())


@pytest.mark.filterwarnings("ignore:.* left out:UserWarning")
def test_a_run_goes_on_and_is_validated(uniform, tmp_path):
    for path in sorted((uniform / "train/a").iterdir())[:6]:
        path.write_bytes(path.read_bytes()[:-200])
    data = folder(uniform, crop=48, bad_files=BadFiles.SKIP, batch_size=1, cache_dir=tmp_path / "cache")
    task = ClassificationTask(data.spec, 2, stem=Mean, backbone=lambda shape, classes: torch.nn.Linear(1, classes))
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    trainer = Trainer(accelerator="cpu", max_epochs=2, default_root_dir=tmp_path, num_sanity_val_steps=0, **quiet)
    trainer.fit(task, data)
    assert trainer.global_step == 2 * len(data.codes("train"))
    assert "val_acc" in trainer.callback_metrics


def test_colour_spaces_without_chroma_are_named(uniform):
    array = np.dstack([picture(0, 64, 64), picture(1, 64, 64)[..., 0]])
    Image.fromarray(array, "CMYK").save(uniform / "train/a/00.jpg")
    dataset = source(uniform)
    with pytest.raises(ValueError, match=r"a/00.jpg: .*got 8-bit CMYK"):
        dataset[0]


def test_whether_a_file_is_bad_does_not_depend_on_the_crop(uniform):
    path = uniform / "train/a/00.jpg"
    good = path.read_bytes()
    for missing in (40, 300):
        path.write_bytes(good[:-missing])
        for crop in (None, 16, 48, 64):
            for random in (False, True):
                dataset = folder(uniform, crop=crop, val_fraction=0).codes("train")
                dataset.random = random
                with pytest.raises(ValueError, match=r"a/00.jpg: .*end early"):
                    dataset[0]


def test_levels_of_no_encoder_do_not_make_a_crop_bad(uniform):
    path = uniform / "train/a/00.jpg"
    image = read_coefficients(path.read_bytes())
    image.components[0].coefficients[-1, -1, 0, 0] = 1500
    path.write_bytes(write_coefficients(image, optimize=True))
    with pytest.raises(ValueError, match=r"the file has -?\d+ to 1500"):
        read(path)
    for crop, greatest in ((None, 1023), (64, 1023), (32, None)):
        code = folder(uniform, crop=crop, val_fraction=0).codes("train")
        code.random = False
        assert greatest in (None, int(code[0][0].max()))


def test_files_that_are_cut_off_are_read_as_far_as_they_go(uniform):
    path = uniform / "train/a/00.jpg"
    whole = read(path)
    path.write_bytes(path.read_bytes()[:-300])
    broken = uniform / "train/b/01.jpg"
    broken.write_bytes(broken.read_bytes()[:4])
    data = folder(uniform, val_fraction=0, bad_files=BadFiles.LENIENT, batch_size=COUNT)
    with pytest.warns(UserWarning, match=r"1 of \d+ files .* are left out .*: .*01.jpg"):
        code, _ = data.codes("train")[0]
    assert torch.equal(code[:, 0], whole[:, 0])
    assert not torch.equal(code, whole)
    with pytest.warns(
        UserWarning, match=r"1 of \d+ files .* are damaged, and mended .* \(1 broken .*\): .*00.jpg"
    ) as said:
        ((batch, _, _),) = data.train_dataloader()
    assert len(batch) == COUNT - 1
    assert len(said) == 1
    assert data.log.summary().endswith("1 are left out (1 of another format, or with a broken header)")


@pytest.mark.parametrize("policy", BadFiles)
def test_a_file_too_unlike_those_of_its_batch_is_left_out_and_counted(tmp_path, monkeypatch, policy):
    monkeypatch.setattr("lossy_lightning.functional.blocks._MOST_PADDED", 2**17)
    for split in ("train", "test"):
        for i, size in enumerate([(16, 16), (16, 32), (16, 4000), (4000, 16)]):
            path = tmp_path / split / "ab"[i % 2] / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (20 * i, 80, 80)).save(path)
    data = folder(tmp_path, crop=None, val_fraction=0, bad_files=policy, batch_size=4)
    if policy is BadFiles.REFUSE:
        with pytest.raises(ValueError, match="more than the budget of 131072 bytes"):
            data.setup("fit")
        return
    data.setup("fit")
    with pytest.warns(UserWarning, match=r"1 of 8 files .* are left out \(1 too large\): .*grid of .* is too unlike"):
        ((code, _, _),) = data.train_dataloader()
    assert len(code) == 3


def test_files_that_are_gone_are_bad_like_others(uniform):
    data = folder(uniform, crop=48, val_fraction=0, bad_files=BadFiles.SKIP, batch_size=COUNT)
    data.setup("fit")
    (uniform / "train/a/00.jpg").unlink()
    (uniform / "train/a/02.jpg").unlink()
    (uniform / "train/a/02.jpg").symlink_to("nowhere")
    with pytest.warns(UserWarning, match=r"\(2 missing\): .*0[02].jpg: it cannot be opened: No such file"):
        ((code, _),) = data.train_dataloader()
    assert len(code) == COUNT - 2


# Loading and statistics.


def test_a_seed_gives_the_same_crops_with_any_number_of_workers_and_threads(mixed):
    def epoch(**arguments):
        data = folder(mixed, JPEG(dequantize=True), crop=32, batch_size=4, **arguments)
        torch.manual_seed(0)
        return batches(data.train_dataloader())

    want = epoch(num_workers=1)
    for arguments in ({"num_workers": 2}, {"num_workers": 3, "num_threads": 2}):
        for a, b in zip(want, epoch(**arguments), strict=True):
            assert torch.equal(a[0], b[0])
            assert torch.equal(a[1], b[1])


def test_a_crop_of_a_large_file_keeps_no_more_of_it(tmp_path):
    """Python's memory: a mebibyte of files at once, and the rows; a whole code has 15 MB."""
    for i in range(6):
        write(tmp_path / "train" / "ab"[i % 2] / f"{i}.jpg", picture(i, 1600, 3200), quality=30)
    dataset = folder(tmp_path, JPEG(30), crop=64, val_fraction=0).codes("train")
    dataset.__getitems__([0])
    tracemalloc.start()
    code, _ = dataset.__getitems__(range(6))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20 + code.nbytes + 500_000


@pytest.mark.parametrize("arguments", [{"num_workers": 2}, {"num_threads": 2}], ids=str)
@pytest.mark.parametrize("crop", [48, None])
def test_workers_and_threads_read_the_same(mixed, arguments, crop):
    codec = JPEG(dequantize=True)
    want = batches(folder(mixed, codec, crop=crop, batch_size=2).test_dataloader())
    got = batches(folder(mixed, codec, crop=crop, batch_size=2, **arguments).test_dataloader())
    assert len(want) == len(got) == 3
    assert all(torch.equal(a, b) for x, y in zip(want, got, strict=True) for a, b in zip(x, y, strict=True))


def test_statistics_are_those_of_the_codes(uniform, tmp_path):
    data = folder(uniform, cache_dir=tmp_path / "cache")
    codes = torch.stack([read(path) for path in files(data, "train")]).double()
    mean, std = data.statistics
    torch.testing.assert_close(mean, codes.mean((0, 2, 3)).float())
    torch.testing.assert_close(std, codes.std((0, 2, 3), correction=0).float())


def test_padding_does_not_count_in_statistics(mixed, tmp_path):
    codec = JPEG(dequantize=True)
    data = folder(mixed, codec, cache_dir=tmp_path / "cache")
    codes = [data.codes("train")[i][0].flatten(1) for i in range(18)]
    torch.testing.assert_close(data.statistics.mean, torch.cat(codes, 1).double().mean(1).float())


def test_statistics_are_computed_once_and_leave_random_numbers_alone(uniform, tmp_path, monkeypatch):
    data = folder(uniform, crop=32, cache_dir=tmp_path / "cache")
    torch.manual_seed(0)
    want, drawn = data.statistics, torch.rand(1)
    monkeypatch.setattr("lossy_lightning.data._preparing.sample_statistics", lambda *_: pytest.fail("computes anew"))
    torch.manual_seed(0)
    again = folder(uniform, crop=32, cache_dir=tmp_path / "cache").statistics
    assert torch.equal(torch.rand(1), drawn)
    assert all(torch.equal(a, b) for a, b in zip(want, again, strict=True))
    for other in (
        folder(uniform, JPEG(dequantize=True), crop=32, cache_dir=tmp_path / "cache"),
        folder(uniform, crop=48, cache_dir=tmp_path / "cache"),
    ):
        with pytest.raises(pytest.fail.Exception, match="computes anew"):
            _ = other.statistics


def test_a_stem_is_handed_the_statistics(uniform, tmp_path):
    data = folder(uniform, crop=48, cache_dir=tmp_path / "cache")
    task = ClassificationTask(data.spec, 2, stem=Mean, backbone=lambda shape, classes: torch.nn.Linear(1, classes))
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    trainer = Trainer(accelerator="cpu", max_epochs=1, default_root_dir=tmp_path, **quiet)
    trainer.fit(task, data)
    ((codec, statistics),) = task.stem.adapted
    assert codec is data.codec
    assert torch.equal(statistics.mean, data.statistics.mean)
    assert trainer.test(task, data, verbose=False)[0].keys() == {"test_loss", "test_acc"}


class Halves(FileCodec):
    """A user's own: halves of the samples of a sound, as they stand in a file; reads files one by one."""

    idempotent = False
    extensions = (".half",)
    signal_shape = (1, None)
    pitch = (4,)

    def encode(self, signal):
        return (signal // 2).to(torch.int16)

    def decode(self, code, shape=None):
        return 2 * code

    def spec(self, shape):
        return CodeSpec.uniform(shape, -(2**14), 2**14 - 1, ordinal=True)

    def read(self, data):
        if len(data) % 2:
            raise ValueError("half a sample")
        code = torch.frombuffer(bytearray(data), dtype=torch.int16)[None]
        return code, tuple(code.shape)

    def write(self, code, shape):
        return code.numpy().tobytes()


def test_a_folder_of_files_of_any_codec(tmp_path):
    for split in ("train", "test"):
        for i in range(4):
            path = tmp_path / split / "ab"[i % 2] / f"{i}.half"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(Halves().write(torch.arange(20 + i, dtype=torch.int16)[None], (1, 20 + i)))
    data = CodedFolder(Halves(), tmp_path, crop=8, val_fraction=0)
    assert data.spec.shape == (1, 8)
    ((code, target),) = data.test_dataloader()
    assert code[:, 0, 0].tolist() == [8] * 4  # the middle of 0, 4, 8, 12
    assert target.tolist() == [0, 0, 1, 1]
    ((code, _),) = data.train_dataloader()
    assert torch.equal(code, code[..., :1] + torch.arange(8, dtype=torch.int16))
    ((code, _, grid_size),) = CodedFolder(Halves(), tmp_path).test_dataloader()
    assert (code.shape, grid_size.flatten().tolist()) == ((4, 1, 23), [20, 22, 21, 23])
    (tmp_path / "test/a/0.half").write_bytes(b"odd")
    with pytest.raises(ValueError, match=r"0.half: half a sample; repair"):
        next(iter(data.test_dataloader()))
    with pytest.raises(ValueError, match="crop must be a multiple of 4 samples; got 6"):
        CodedFolder(Halves(), tmp_path, crop=6)


def test_real_photos(data_root, tmp_path):
    data = JPEGFolder(JPEG(75), data_root / "imagenette224", crop=192, cache_dir=tmp_path, batch_size=50)
    data.setup("fit")
    code, target = next(iter(data.val_dataloader()))
    assert code.shape == (50, 384, 12, 12)
    assert code.dtype is torch.int16
    path, label = data.codes("val").files[7]
    assert torch.equal(code[7], read(path)[:, 1:13, 1:13])
    assert target[7] == label
    assert len(data.codes("test")) == 400


def test_native_photos_of_any_kind(data_root, tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test/photos").symlink_to(data_root / "imagenet_samples")
    write(tmp_path / "train/photos/0.jpg", picture(0, 160, 160))
    data = JPEGFolder(JPEG(dequantize=True), tmp_path, crop=160, bad_files=BadFiles.SKIP, batch_size=78)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ((code, _),) = data.test_dataloader()
    assert len(code) >= 70
    data.spec.check(code)
