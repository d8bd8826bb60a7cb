"""Data sets of sounds: who is on which side, which samples come out, and what bad files do."""

import shutil
import sys
import zlib
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer

from lossy_lightning.augmentation import RandomGain, RandomShift
from lossy_lightning.cli import main
from lossy_lightning.codecs import PCM, VQ
from lossy_lightning.data import AudioFolder, BadFiles, SpeechCommands
from lossy_lightning.data.speech_commands import speaker_of
from tests.data.test_encoded import Recorder

SPLITS = ("train", "val", "test")
FOLDS = (542, 654, 644, 666, 770)


class At(PCM):
    """16-bit samples at one rate only."""

    def __init__(self, sample_rate):
        super().__init__(16)
        self.sample_rate = sample_rate


class Framed(PCM):
    """16-bit samples of sounds of at least 100 samples."""

    def __init__(self):
        super().__init__(16)

    def encode(self, signal):
        if signal.shape[-1] < 100:
            raise ValueError(f"a frame has 100 samples; got {signal.shape[-1]}")
        return signal


class Mono(Framed):
    """16-bit samples of one channel."""

    def spec(self, shape):
        if shape[0] != 1:
            raise ValueError(f"takes mono signals (1, samples); got shape {shape}: mix channels down")
        return super().spec(shape)


def save(path, samples, rate=16_000, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **options)


def sound(seed, length):
    return np.random.default_rng(seed).integers(-9999, 9999, length, dtype=np.int16)


def names(data, split):
    signals = data.signals(split)
    return [] if signals is None else [f"{Path(path).parent.name}/{Path(path).name}" for path, _ in signals.files]


@pytest.fixture
def commands(tmp_path):
    """Speech Commands in small: 2 words, 12 speakers, 2 clips each, one of them short."""
    for word in ("yes", "no", "_background_noise_"):
        for i in range(24):
            length = 16_000 if i % 2 else 9_000
            name = f"{i // 2:08x}_nohash_{i % 2}.wav"
            save(tmp_path / "SpeechCommands/speech_commands_v0.02" / word / name, sound(i, length))
    return tmp_path


@pytest.fixture
def folder(tmp_path):
    """Two classes of 10 sounds of mixed lengths at 8 kHz; the first letter names the recording."""
    for name in ("wet", "dry"):
        for i in range(10):
            save(tmp_path / "sounds" / name / f"{'abcde'[i // 2]}{i}.wav", sound(i, 900 + 100 * i), 8_000)
    return tmp_path / "sounds"


def small(root, codec=None, **arguments):
    options = {"sample_rate": 8_000, "cache_dir": root.parent / "cache", "batch_size": 4} | arguments
    return AudioFolder(codec or PCM(16), root, **options)


def recording(path):
    return path.name[0]


# Speech Commands.


def test_five_folds_of_speakers(data_root, tmp_path):
    root = data_root / "SpeechCommands/speech_commands_v0.02"
    if not root.is_dir():
        pytest.skip("needs $LOSSY_DATA/SpeechCommands")
    everything = sorted(f"{path.parent.name}/{path.name}" for path in root.glob("*/*.wav"))
    tested = []
    for fold, size in enumerate(FOLDS):
        data = SpeechCommands(PCM(16), data_root, test_fold=fold, cache_dir=tmp_path)
        sides = {split: names(data, split) for split in SPLITS}
        assert len(sides["test"]) == size
        assert sorted(chain.from_iterable(sides.values())) == everything
        speakers = {split: {name.split("/")[1].split("_")[0] for name in listed} for split, listed in sides.items()}
        assert {zlib.crc32(speaker.encode()) % 5 for speaker in speakers["test"]} == {fold}
        assert not speakers["train"] & speakers["test"]
        assert not speakers["train"] & speakers["val"]
        assert not speakers["val"] & speakers["test"]
        assert len(speakers["val"]) == round(0.1 * (236 - len(speakers["test"])))
        tested += sides["test"]
    assert sorted(tested) == everything
    assert data.num_classes == 8
    assert data.spec.shape == (1, 16_000)
    # By file, nearly every speaker of the test split has been heard in training.
    leaky = SpeechCommands(PCM(16), data_root, by_speaker=False, cache_dir=tmp_path)
    heard = {speaker_of(name) for name in names(leaky, "train")}
    tested = {speaker_of(name) for name in names(leaky, "test")}
    assert len(tested & heard) > 0.9 * len(tested)


def test_the_official_lists_are_followed(commands):
    clips = SpeechCommands(PCM(16), commands).folder
    (clips / "testing_list.txt").write_text("yes/00000001_nohash_0.wav\nno/00000001_nohash_1.wav\nup/1_nohash_0.wav\n")
    (clips / "validation_list.txt").write_text("no/00000002_nohash_1.wav\n")
    data = SpeechCommands(PCM(16), commands)
    assert names(data, "test") == ["no/00000001_nohash_1.wav", "yes/00000001_nohash_0.wav"]
    assert names(data, "val") == ["no/00000002_nohash_1.wav"]
    assert len(names(data, "train")) == 45
    with pytest.raises(MisconfigurationException, match=r"the official lists in .* split the clips"):
        SpeechCommands(PCM(16), commands, test_fold=1)
    assert len(names(SpeechCommands(PCM(16), commands, test_fold=1, by_speaker=False), "train")) != 45


def test_words_and_their_order(commands):
    assert SpeechCommands(PCM(16), commands).words == ["no", "yes"]
    data = SpeechCommands(PCM(16), commands, words=["yes", "no"])
    assert {(Path(path).parent.name, target) for path, target in data.signals("train").files} == {("yes", 0), ("no", 1)}
    with pytest.raises(FileNotFoundError, match=r"has no folders \['up'\]; its words are \['no', 'yes'\]"):
        SpeechCommands(PCM(16), commands, words=["yes", "up"])
    for words in (["yes", "yes"], [], "yes"):
        with pytest.raises(ValueError, match="words is a list of one or more different ones"):
            SpeechCommands(PCM(16), commands, words=words)


def test_short_clips_are_padded_and_clips_are_resampled_where_asked(commands):
    data = SpeechCommands(PCM(16), commands, val_fraction=0)
    dataset = data.signals("train")
    assert data.signals("val") is None
    for i, (path, _) in enumerate(dataset.files):
        raw, _ = soundfile.read(path, dtype="int16")
        assert dataset[i][0].shape == (1, 16_000)
        assert np.array_equal(dataset[i][0][0, : len(raw)], raw)
        assert not dataset[i][0][0, len(raw) :].any()
    faster = SpeechCommands(At(24_000), commands, sample_rate=24_000)
    assert faster.signals("train")[0][0].shape == (1, 24_000) == faster.spec.shape


def test_validation_speakers_follow_the_seed(commands):
    def speakers(seed):
        return {speaker_of(name) for name in names(SpeechCommands(PCM(16), commands, seed=seed), "val")}

    assert speakers(0) == speakers(0)
    assert len({frozenset(speakers(seed)) for seed in range(6)}) > 1
    assert {len(speakers(seed)) for seed in range(6)} == {1}


def test_missing_speech_commands_is_one_sentence(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"there is no folder .*speech_commands_v0.02; set root, or \$LOSSY_DAT"
    ):
        SpeechCommands(PCM(16), tmp_path)
    with pytest.raises(ValueError, match="test_fold is 0 to 4"):
        SpeechCommands(PCM(16), tmp_path, test_fold=5)


# Rates.


@pytest.mark.parametrize("name", ["codec", "train_codecs", "test_codecs"])
def test_a_codec_of_another_rate_is_an_error_at_once(folder, name):
    codecs = {"codec": At(8_000), name: At(24_000)}
    message = f"{name} = At.* expects sounds of 24000 Hz, but AudioFolder has 8000 Hz; set sample_rate=24000"
    with pytest.raises(MisconfigurationException, match=message):
        small(folder, **codecs)
    assert small(folder, At(24_000), sample_rate=24_000).spec.shape == (1, None)


# Folders.


def test_whole_sounds_of_mixed_lengths_are_cached_as_such(folder):
    data = small(folder)
    assert data.spec.shape == (1, None)
    data.prepare_data()
    seen = [
        (tuple(code[0, :length].tolist()), label)
        for batch, target, grid_size in data.test_dataloader()
        for code, label, (length,) in zip(batch, target.tolist(), grid_size.tolist(), strict=True)
    ]
    files = data.signals("test").files
    assert len(seen) == len(files) == 4
    for (code, label), (path, target) in zip(seen, files, strict=True):
        assert code == tuple(soundfile.read(path, dtype="int16")[0].tolist())
        assert label == target == ["dry", "wet"].index(Path(path).parent.name)


def test_mixed_lengths_go_through_a_codec_that_is_fitted(folder):
    data = small(folder, VQ((8,), 16))
    data.prepare_data()
    batch, _, grid_size = next(iter(data.test_dataloader()))
    for i, (path, _) in enumerate(data.signals("test").files):
        raw = torch.from_numpy(soundfile.read(path, dtype="int16")[0])[None]
        assert torch.equal(batch[i, :, : grid_size[i]], data.codec.encode(raw))


def test_a_second_run_reads_no_file(folder, monkeypatch):
    small(folder).prepare_data()
    kept = small(folder)._dataset("train")
    reads = []
    whole = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *a, **k: reads.append(1) or whole(*a, **k))
    data = small(folder)
    data.prepare_data()
    assert len(reads) == sum(len(data.signals(split)) for split in SPLITS)  # a sample of 64 tells splits apart
    assert torch.equal(data._dataset("train").codes, kept.codes)


def test_crops_are_the_middle_and_random_only_with_a_transform(folder):
    data = small(folder, seconds=0.05)
    assert data.spec.shape == (1, 400)
    dataset = data.signals("train")
    raw = soundfile.read(dataset.files[0][0], dtype="int16")[0]
    start = (len(raw) - 400) // 2
    assert dataset[0][0][0].tolist() == raw[start : start + 400].tolist()
    moving = small(folder, seconds=0.05, transform=torch.clone)
    dataset, drawn = moving.signals("train"), set()
    for _ in range(5):
        got = dataset[0][0][0].numpy()
        starts = [i for i in range(len(raw) - 399) if np.array_equal(raw[i : i + 400], got)]
        assert len(starts) == 1
        drawn |= set(starts)
    assert len(drawn) > 1
    assert not moving.signals("test").random


def test_a_codebook_does_not_depend_on_torchs_seed_though_crops_are_random(folder, tmp_path):
    books = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        data = small(folder, VQ((4,), 8), seconds=0.05, transform=torch.clone, cache_dir=tmp_path / str(seed))
        data.prepare_data()
        books.append(data.codec.codebook)
    assert torch.equal(*books)


def test_transformed_sounds_of_mixed_lengths_are_encoded_before_they_are_padded(folder):
    data = small(folder, VQ((8,), 16), transform=RandomGain(0, 0))
    data.prepare_data()
    assert not data._encodes_on_device()
    for code, target, grid_size in data.train_dataloader():
        assert code.shape == (len(target), 1, int(grid_size.max()))
        assert code.dtype == torch.uint8
    plain = small(folder, VQ((8,), 16))
    plain.prepare_data()
    fitted = {tuple(code.flatten().tolist()) for code, _ in plain._dataset("train")}
    assert {tuple(code.flatten().tolist()) for code, _ in data._dataset("train")} == fitted


def test_groups_stay_together(folder):
    data = small(folder, group=recording)
    sides = [{Path(path).name[0] for path, _ in data.signals(split).files} for split in SPLITS]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 5
    assert [len(side) for side in sides] == [3, 1, 1]
    chosen = small(folder, group=recording, test_groups=["b", "d"])
    assert {Path(path).name[0] for path, _ in chosen.signals("test").files} == {"b", "d"}
    with pytest.raises(ValueError, match=r"test_groups names \['x'\], but the groups are \['a', 'b', 'c', 'd', 'e'\]"):
        small(folder, group=recording, test_groups=["x"])
    with pytest.raises(MisconfigurationException, match="cannot be split in two"):
        small(folder, group=lambda path: "same")


def test_a_share_of_the_files_without_groups(folder):
    sizes = [len(small(folder, test_fraction=0.3).signals(split)) for split in SPLITS]
    assert sizes == [13, 1, 6]


def test_folders_of_splits(folder, tmp_path):
    root = tmp_path / "splits"
    for split in ("train", "test"):
        shutil.copytree(folder, root / split)
    with pytest.raises(ValueError, match=r"5 groups are on several sides of the folders of .*: a, b, c, d, e; move"):
        small(root, group=recording)
    for path in (root / "test").glob("*/*"):
        path.rename(path.with_name(f"z{path.name}"))
    data = small(root, group=recording, val_fraction=0.2)
    sides = {split: [Path(path) for path, _ in data.signals(split).files] for split in SPLITS}
    assert {len(sides["test"]), len(sides["train"]), len(sides["val"])} == {20, 16, 4}
    assert not {path.name[0] for path in sides["train"]} & {path.name[0] for path in sides["val"]}
    shutil.copytree(folder, root / "val")
    assert [len(small(root).signals(split)) for split in SPLITS] == [20, 20, 20]


def test_the_cache_is_the_users_and_not_among_the_data(folder, tmp_path):
    before = sorted(folder.rglob("*"))
    data = small(folder, cache_dir=None)
    data.prepare_data()
    assert sorted(folder.rglob("*")) == before
    assert data.cache_dir == tmp_path / "user's cache"
    assert list(data.cache_dir.glob("AudioFolder-train-*/codes.npy"))


def test_a_hidden_folder_is_no_class(folder):
    shutil.copytree(folder / "wet", folder / ".ipynb_checkpoints")
    assert small(folder).classes == ("dry", "wet")


def test_hidden_sounds_do_not_count_at_any_depth(folder):
    before = small(folder).sounds
    shutil.copytree(folder / "wet", folder / "wet" / ".trash")
    shutil.copytree(folder / "wet", folder / "cache" / ".trash")
    assert small(folder).sounds == before


def test_folders_without_sounds_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there are no files with one of .* in .*; they are expected in"):
        AudioFolder(PCM(16), tmp_path, 16_000)


@pytest.mark.parametrize("wrong", [{"sample_rate": 0}, {"seconds": 0}, {"test_fraction": 1.0}])
def test_numbers_out_of_range(folder, wrong):
    with pytest.raises(
        ValueError,
        match=r"(sample_rate|seconds|test_fraction) .*; got",
    ):
        small(folder, **wrong)


def test_stereo_is_averaged_kept_or_refused(folder):
    stereo = sound(0, 3000).reshape(1500, 2)
    save(folder / "dry/a0.wav", stereo, 8_000)
    assert small(folder).spec.shape == (1, None)
    with pytest.raises(ValueError, match=r"19 of 20 .*it has 1 channels, the first file has 2; use mono=True"):
        small(folder, mono=False).prepare_data()
    save(folder / "dry/a0.wav", stereo[:, 0], 8_000)
    save(folder / "wet/e9.wav", stereo, 8_000)
    with pytest.raises(ValueError, match=r"e9.wav: it has 2 channels, the first file has 1; use mono=True"):
        small(folder, mono=False).prepare_data()
    for path in folder.glob("*/*.wav"):
        save(path, stereo, 8_000)
    data = small(folder, mono=False)
    assert data.spec.shape == (2, None)
    assert np.array_equal(data.signals("test")[0][0], stereo.T)
    with pytest.raises(ValueError, match=r"takes mono signals \(1, samples\); got shape \(2, None\)"):
        small(folder, Mono(), mono=False).prepare_data()
    small(folder, Mono()).prepare_data()


@pytest.mark.parametrize(
    "name", ["baby_cry/2-107351-B.ogg", "dog_bark/3-144028-A.ogg", "fire_crackling/5-186924-A.ogg"]
)
def test_esc10_by_its_folds(data_root, tmp_path, name):
    if not (data_root / "esc10").is_dir():
        pytest.skip("needs $LOSSY_DATA/esc10")
    data = AudioFolder(
        PCM(16), data_root / "esc10", 44_100, group=recording, test_groups=[Path(name).name[0]], cache_dir=tmp_path
    )
    assert data.num_classes == 10
    dataset = data.signals("test")
    assert len(dataset) == 20
    (index,) = [i for i, (path, _) in enumerate(dataset.files) if path.endswith(name)]
    got = dataset[index][0][0].double()
    assert got.diff().abs().max() < 65_000  # samples that wrap around jump by nearly 65 536
    assert max(got.max(), -got.min() - 1) == 32_767


# Bad files.


def spoil(folder):
    """One file of each kind of damage, spread over the splits."""
    (folder / "dry/b2.wav").write_bytes(b"")
    save(folder / "dry/c4.wav", np.array([0, np.nan], np.float32), 8_000, subtype="FLOAT")
    save(folder / "wet/d6.wav", np.zeros(0, np.int16), 8_000)


def test_bad_files_of_all_splits_are_an_error_before_training(folder):
    spoil(folder)
    for arguments in ({}, {"transform": RandomShift(3)}, {"transform": RandomShift(3), "seconds": 0.05}):
        data = small(folder, **arguments)
        with pytest.raises(ValueError, match=r"2 of 20 files in .* cannot be used \(2 empty\): .*b2.wav: .*d6.wav: "):
            data.setup("fit")


def test_bad_files_are_skipped_named_and_counted(folder):
    before = {split: set(names(small(folder), split)) for split in SPLITS}
    spoil(folder)
    data = small(folder, bad_files=BadFiles.SKIP)
    with pytest.warns(UserWarning, match=r"of 20 files in .* are left out \(") as caught:
        data.prepare_data()
    told = [str(warning.message) for warning in caught]
    assert "2 of 20 files" in told[0]
    assert "(2 empty)" in told[0]
    assert "(1 broken or cut off), 3 altogether: " in told[1]
    for name in ("b2.wav", "c4.wav", "d6.wav"):
        assert sum(name in text for text in told) == 1
    after = {split: set(names(data, split)) for split in SPLITS}
    lost = {"dry/b2.wav", "wet/d6.wav"}
    assert after == {split: listed - lost for split, listed in before.items()}  # nothing changes sides
    assert sum(len(data._dataset(split)) for split in SPLITS) == 17
    with pytest.warns(UserWarning, match="are left out") as again:  # whoever finds the codes is told as well
        small(folder, bad_files=BadFiles.SKIP).prepare_data()
    assert [str(warning.message) for warning in again] == told
    with pytest.raises(ValueError, match="2 of 20 files"):
        small(folder).prepare_data()


@pytest.mark.filterwarnings("ignore:.* left out:UserWarning")
@pytest.mark.parametrize("num_workers", [0, 1])
def test_bad_sounds_do_not_end_a_training_on_transformed_ones(folder, tmp_path, num_workers):
    spoil(folder)
    data = small(
        folder, VQ((8,), 16), bad_files=BadFiles.SKIP, transform=RandomShift(3), batch_size=1, num_workers=num_workers
    )
    module = Recorder()
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    Trainer(accelerator="cpu", max_epochs=1, default_root_dir=tmp_path, num_sanity_val_steps=0, **quiet).fit(
        module, data
    )
    assert sum(len(batch[0]) for batch in module.batches["train"]) == len(data.signals("train"))
    assert module.batches["val"]


def test_a_sound_that_is_shorter_than_a_frame_is_named(folder):
    save(folder / "wet/e8.wav", sound(0, 99), 8_000)
    with pytest.raises(ValueError, match=r"wet/e8.wav cannot be encoded: a frame has 100 samples; got 99"):
        small(folder, Framed()).prepare_data()


def test_pcm_of_8_bits_says_what_sounds_need(folder):
    with pytest.raises(
        ValueError, match=r"PCM with 8 bits takes signals of torch.uint8; got torch.int16: use PCM\(8\)"
    ):
        small(folder, PCM(8), seconds=0.05).prepare_data()


def test_a_run_trains_on_mixed_lengths(folder, tmp_path):
    data, module = small(folder, VQ((8,), 16)), Recorder()
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    Trainer(accelerator="cpu", max_epochs=1, default_root_dir=tmp_path, num_sanity_val_steps=0, **quiet).fit(
        module, data
    )
    assert sum(len(code) for code, _, _ in module.batches["train"]) == len(data.signals("train"))


# The command line.


def entry(name, **arguments):
    return {"class_path": f"lossy_lightning.{name}", "init_args": arguments}


@pytest.mark.parametrize("seconds", [0.05, None])
def test_yaml_reaches_everything(folder, tmp_path, monkeypatch, seconds):
    monkeypatch.setattr(sys, "argv", ["lossy-lightning"])  # Lightning warns of pytest's own
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    moved = entry(
        "augmentation.Chain",
        modules=[entry("augmentation.TimeShift", max_frames=3), entry("augmentation.TimeMask", max_frames=3)],
    )
    data = entry(
        "data.AudioFolder",
        codec=entry("codecs.VQ", block=[8], levels=8),
        root=str(folder),
        sample_rate=8_000,
        seconds=seconds,
        group="tests.data.test_sounds.recording",
        cache_dir=str(tmp_path / "cache"),
        transform=entry(
            "augmentation.Chain",
            modules=[entry("augmentation.RandomShift", max_samples=9), entry("augmentation.AddNoise")],
        ),
        augmentation=moved if seconds else None,
    )
    model = {"class_path": "tests.data.test_encoded.Recorder"}
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    options = quiet | {"accelerator": "cpu", "max_epochs": 1, "callbacks": [entry("callbacks.ReconstructionMonitor")]}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"data": data, "model": model, "trainer": options}))
    main(
        [
            "fit",
            "--config",
            str(config),
            "--test_after_fit",
            "false",
            "--trainer.default_root_dir",
            str(tmp_path / "run"),
        ]
    )
    assert list((tmp_path / "cache").glob("AudioFolder-val-*"))
    assert not [path for path in (tmp_path / "cache").glob("AudioFolder-train-*") if path.is_dir()]
