"""What an attack changed: in the code, in the signal, in the file."""

from collections.abc import Callable

from lightning.pytorch import Trainer
from torch import Tensor

from lossy_lightning.callbacks._datamodule import signal_shape
from lossy_lightning.callbacks._distortion import distances, distortion, is_image
from lossy_lightning.callbacks._round_trip import decoded, through_files, write_pictures
from lossy_lightning.callbacks._victim import Victim
from lossy_lightning.core import FileCodec


def changes(
    trainer: Trainer, victim: Victim, moved: Tensor, tag: str, pictures: bool, say: Callable[[str], None]
) -> dict[str, float]:
    """Size of the change in code and signal, and accuracies after the round trip.

    Args:
        trainer: Whose datamodule knows the signals' shape, and whose loggers take pictures.
        victim: The batch and the model.
        moved: Adversarial codes, ``(N, C, *grid)``.
        tag: Of the pictures.
        pictures: Whether to draw some.
        say: What to call with something that the user should know.
    """
    sizes = {f"{name}_code": value for name, value in distances(victim.code, moved).items()}
    if not victim.ordinal:
        del sizes["linf_code"]  # a difference of indices has no meaning
    codec = victim.codec
    if codec is None:
        return sizes
    shape = signal_shape(trainer)
    before, after = (decoded(codec, code, shape) for code in (victim.code, moved))
    sizes["acc_roundtrip"] = victim.accuracy(codec.encode(after).to(moved))
    sizes |= {f"{name}_signal": value for name, value in distances(before, after).items()}
    by_kind = distortion(before, after)
    if not by_kind:
        kind = f"{before.dtype} of shape {tuple(before.shape[1:])}"
        say(f"GradientAttackMonitor knows no distortion for signals of {kind}: L-infinity and L0 only")
    if isinstance(codec, FileCodec):
        again, file_sizes = through_files(codec, victim.code, moved, tuple(before.shape[1:]))
        sizes |= {"acc_file": victim.accuracy(again)} | file_sizes
    if pictures and is_image(before) and trainer.is_global_zero:
        write_pictures(trainer, before, after, tag)
    return sizes | by_kind
