"""Runs of the command line that end after a few batches of tiny data."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lossy_lightning.cli import main

SHORT = [
    *("--trainer.max_epochs", "1"),
    *("--trainer.limit_train_batches", "3"),
    *("--trainer.limit_val_batches", "2"),
    *("--trainer.limit_test_batches", "2"),
    *("--trainer.log_every_n_steps", "1"),
    *("--trainer.accelerator", "cpu"),
    *("--trainer.enable_progress_bar", "false"),
]

MACS = {
    "cifar10_resnet": {"macs/32bit": 12_133_976},
    "cifar10_space_to_depth": {"macs/32bit": 11_584_448},
    "cifar10_unfold": {"macs/32bit": 11_790_272},
    "cifar10_unfold_narrow": {"macs/32bit": 9_201_280},
    "cifar10_frequencies": {"macs/32bit": 11_930_112},
    "cifar10_planes_binary": {"macs/1bit": 5_492_736, "macs/32bit": 1_182_208},
    "imagenette_narrow_resnet50": {"macs/32bit": 76_769_792},
    "imagenette_narrow_late_concat": {"macs/32bit": 41_897_472},
    "imagenette_narrow_crops": {"macs/32bit": 21_376_512},
    "mnist_joint": {"macs/encoder/32bit": 62_720, "macs/backbone/1bit": 17_280, "macs/backbone/32bit": 0},
    "mnist_joint_codes": {"macs/1bit": 17_280, "macs/32bit": 0},
    "mnist_joint_wide_codes": {"macs/1bit": 226_560, "macs/32bit": 0},
    "mnist_joint_float_codes": {"macs/1bit": 0, "macs/32bit": 258_112},
    "mnist_joint_field": {"macs/encoder/32bit": 241_472, "macs/backbone/1bit": 17_280, "macs/backbone/32bit": 0},
    "mnist_joint_codes_warm": {"macs/1bit": 17_280, "macs/32bit": 0},
    "mnist_vqvae_bitwise": {"macs/encoder/32bit": 241_472},
    "mnist_vqvae_bitwise_codes": {"macs/1bit": 17_280, "macs/32bit": 0},
    "mnist_vqvae_similarity": {"macs/1bit": 17_280, "macs/32bit": 0},
    "mnist_vqvae_learned": {"macs/1bit": 17_280, "macs/32bit": 0},
}
"""Costs that stand beside accuracies in the documentation, by run."""


def fit(arguments: list[str], data: Path, folder: Path, cache_dir: Path) -> None:
    """Run what the arguments configure, logging below ``folder``."""
    places = ["--data.cache_dir", str(cache_dir), "--trainer.logger.init_args.save_dir", str(folder)]
    if any("imagenette" in argument for argument in arguments):
        places += ["--data.root", str(data / "imagenette224"), "--data.batch_size", "2", "--data.val_fraction", "0.25"]
    if any("mp3" in argument for argument in arguments):
        places += ["--data.root", str(data / "speech_commands_mp3")]
    main(["fit", *arguments, *SHORT, *places])


def scalars(run: Path) -> dict[str, float]:
    """What a run has logged, the last value of each."""
    events = EventAccumulator(str(run))
    events.Reload()
    return {name: events.Scalars(name)[-1].value for name in events.Tags()["scalars"]}


def check_logged(name: str, folder: Path, config: str) -> None:
    """Losses and figures of all splits, and the cost that the documentation names, are in the one run of a name."""
    (run,) = (folder / name).iterdir()
    logged = scalars(run)
    figure = "psnr" if any(task in config for task in ("VQVAETask", "RateDistortionTask")) else "acc"
    splits = ("train", "test") if '"val_fraction": 0.0' in config else ("train", "val", "test")
    assert {f"{split}_{kind}" for split in splits for kind in ("loss", figure)} <= logged.keys()
    if "ComplexityMonitor" in config:
        assert any(scalar.startswith("macs/") for scalar in logged)
    assert {scalar: logged.get(scalar) for scalar in MACS.get(name, {})} == MACS.get(name, {})
