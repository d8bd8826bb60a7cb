"""What is compared: codecs by name and form. Those that learn are trained once, and their checkpoints kept."""

import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from benchmarks.accuracy.transform_rates import entropy
from benchmarks.harness import fit, inside, recipe
from experiments.codecs.numbers import Resampled, TrainedAlong, lowest, strongest
from experiments.complexity.trials import SHAPE
from experiments.transform_codecs.study import QUALITIES, rows
from lossy_lightning.codecs import VQ, VQVAE, NonlinearTransform, Threshold
from lossy_lightning.core import Codec

PIXELS, EQUAL_BITS, LATENTS = "8x8 pixels", "8x8 pixels at equal bits", "12 latents of linear analysis"
ALONG = "12 numbers trained with the classes"
NUMBERS: dict[str, tuple[str, ...]] = {
    PIXELS: ("box", "bicubic", "lanczos"),
    EQUAL_BITS: (),
    "12 components": ("strongest",),
    "12 frequencies": ("4, 4, 4", "6, 3, 3", "10, 1, 1"),
    LATENTS: ("[]", "[32]", "[96, 96]"),
    ALONG: ("strongest",),
}
"""Forms by name, of which trials choose one: resamplers, frequencies of each component, widths of the decoder."""

GRIDS = ("32x32", "own grid")
"""What codes are read on: decoded, or as they are."""
Options = Mapping[str, str]
"""Arguments of the model of a run by name."""
_WEIGHT, _NETWORKS = "reconstruction_weight", "codec.init_args.{}.init_args.hidden"
DECODER = _NETWORKS.format("decoder")
_COARSE = {_NETWORKS.format("encoder"): "[16, 32]", DECODER: "[32, 16]"}
_FINE = {_NETWORKS.format("encoder"): "[16]", DECODER: "[16]"}
TRAINED: dict[str, tuple[str, Options]] = {
    "VQ-VAE, cells of 4x4": ("codecs_vqvae", _COARSE),
    "VQ-VAE, cells of 2x2": ("codecs_vqvae", _FINE),
    **{f"factorized, weight {each}": ("codecs_factorized", {_WEIGHT: each}) for each in ("0.003", "0.03")},
    **{f"hyperprior, weight {each}": ("codecs_hyperprior", {_WEIGHT: each}) for each in ("0.003", "0.03")},
    **{f"linear analysis, weight {each}": ("codecs_linear_analysis", {_WEIGHT: each}) for each in ("0.01", "0.1")},
}
"""The run that trains each codec, and its options."""
THRESHOLDS: dict[str, Codec] = {f"thresholds, {len(each)}": Threshold(each) for each in ((128,), (64, 128, 192))}
FITTED = {f"k-means, cells of {side}x{side}": VQ((side, side), 256) for side in (4, 2)}
CODECS = (
    "pixels",
    *(
        told.format(q)
        for told in ("JPEG, quality {}", "wavelet, as JPEG {}", "HEVC 8x8, as JPEG {}")
        for q in QUALITIES
    ),
    *THRESHOLDS,
    *FITTED,
    *TRAINED,
)
"""Names of all image codecs of the package, at two rates each, and of pixels."""


class Arm(NamedTuple):
    """What a network reads.

    Attributes:
        name: Of the codec.
        fine: Whether it is decoded to 32x32, else on the code's own grid.
    """

    name: str
    fine: bool

    def __str__(self) -> str:
        return f"{self.name} on {self.grid}"

    @property
    def grid(self) -> str:
        """What it is read on."""
        return GRIDS[not self.fine]

    @property
    def forms(self) -> tuple[str, ...]:
        """What trials choose from; none if others' choices decide."""
        return NUMBERS.get(self.name, ())


PARTS = {
    "numbers": [Arm(name, fine) for fine in (True, False) for name in NUMBERS if fine or name != ALONG],
    "codecs": [Arm(name, False) for name in CODECS],
}


class Place(NamedTuple):
    """What codecs are made of.

    Attributes:
        images: Of training.
        folder: Where checkpoints are kept.
        seed: Of their training.
        extra: More arguments of that.
        root: Folder of the training data; None: that of the run.
    """

    images: Tensor
    folder: Path
    seed: int = 0
    extra: tuple[str, ...] = ()
    root: Path | None = None


_standards = cache(rows)


def codec(name: str, form: str, place: Place) -> Codec:
    """A codec that is ready; in the part of all codecs, and wherever nothing is trained, it is that of seed 0."""
    if name == PIXELS:
        return Resampled(form)
    if name == EQUAL_BITS:
        resampler, _, decoder = form.partition(" ")
        return of_equal_bits(resampler, codec(LATENTS, decoder, place), place.images[:2000])
    if name == "12 components":
        return strongest(place.images)
    if name == ALONG:
        return TrainedAlong(strongest(place.images))
    if name == "12 frequencies":
        return lowest(place.images, [int(count) for count in form.split(",")])
    if name == LATENTS:
        return trained("codecs_linear_analysis", {DECODER: form}, place)
    if name in TRAINED:
        return trained(*TRAINED[name], place._replace(seed=0))
    if name in THRESHOLDS:
        return THRESHOLDS[name]
    if name in FITTED:
        own = FITTED[name]
        return own if own.fitted else own.fit([place.images[:5000]])
    return _standards(place.images)[name]


def identity(name: str, form: str) -> str:
    """What tells a codec from others: figures of another recipe do not count."""
    run, options = TRAINED.get(name, ("codecs_linear_analysis" if name in (LATENTS, EQUAL_BITS) else "", {}))
    return " ".join([name, form, *([recipe(run), *_arguments(options)] if run else [])])


def trained(run: str, options: Options, place: Place) -> Codec:
    """The codec that a run of the command line leaves, trained now if there is no checkpoint of it yet."""
    kept = where(run, options, place)
    if not kept.exists():
        with inside(kept.parent):
            told = [*_arguments(options), *place.extra]
            places = ["--seed_everything", str(place.seed), "--data.init_args.cache_dir", str(place.folder / "cache")]
            places += ["--data.init_args.root", str(place.root)] if place.root else []
            fit(run, ["--test_after_fit", "false", *told, *places])
            Path("runs", run, "codec.ckpt").replace(kept)  # only now: checkpoints are written after each epoch
    kind: type[VQVAE] | type[NonlinearTransform] = VQVAE if run == "codecs_vqvae" else NonlinearTransform
    return kind.from_checkpoint(kept).eval()


def where(run: str, options: Options, place: Place) -> Path:
    """The checkpoint of a run that trains a codec."""
    digest = zlib.crc32(" ".join([recipe(run), *_arguments(options), *place.extra]).encode())
    return place.folder / "codecs" / f"{run} {digest:08x}" / f"seed{place.seed}" / "codec.ckpt"


def bits(codec: Codec, images: Tensor) -> float:
    """Zeroth-order entropy of an image's code."""
    return entropy([(codec.spec(SHAPE), codec.encode(images))]) / len(images)


def of_equal_bits(resampler: str, other: Codec, images: Tensor) -> Resampled:
    """8x8 pixels whose step is such that they take as many bits as another codec's code."""
    low, high, most = 0.25, 64.0, bits(other, images)
    for _ in range(8):
        step = (low * high) ** 0.5
        low, high = (low, step) if bits(Resampled(resampler, step), images) < most else (step, high)
    return Resampled(resampler, round((low * high) ** 0.5, 2))


def _arguments(options: Options) -> list[str]:
    return [f"--model.init_args.{name}={value}" for name, value in options.items()]
