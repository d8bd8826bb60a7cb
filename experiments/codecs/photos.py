"""Rate and distortion on photos: learned codecs beside JPEG, JPEG 2000, WebP and AVIF.

    LOSSY_DATA=... python -m experiments.codecs.photos [--folder FOLDER] [--finished] [--update docs/learned.md]
        [--draw docs/pictures/photo_codecs.svg]

A `Hyperprior` is trained on Imagenette's training images at several weights of distortion by the command line, once
each, and kept in the folder, as are the minutes of one core that it took; what is there is not trained again, and
`--finished` trains nothing. Beside these stand the codecs that the package ships, and the standards as Pillow writes
them, of several qualities. Figures are kept in the folder, too.

Pictures are those of kodak/ in $LOSSY_DATA, and some of imagenette224/val/ there, which were JPEG files before. Rates
are sizes of whole files, headers included, and of all pictures of a set together; so is the peak signal-to-noise ratio,
of RGB samples. Multi-scale structural similarity is the mean over pictures. Other options, as `--name=value`, go to the
command line of each training.
"""

import io
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim

from benchmarks.accuracy.transform_rates import draw_panels
from benchmarks.harness import kept, known, once, parser, recipe, show
from experiments.codecs.arms import Place, trained
from lossy_lightning.codecs import NonlinearTransform
from lossy_lightning.core import FileCodec
from lossy_lightning.weights import list_codecs, load_codec

RUN, WEIGHT = "codecs_imagenette", "reconstruction_weight"
WEIGHTS = ("0.01", "0.003", "0.03", "0.001")
"""In the order of training."""
TRAINED = "hyperprior, trained on Imagenette"
OF_IMAGENETTE = 40
MOST = 0.9
"""Of the bits that the pictures' own files have: these may be JPEG's, and JPEG codes them again without any loss."""

Photo = NDArray[np.uint8]
Coder = Callable[[Photo], tuple[bytes, Photo]]
"""From a photo to its file, and what is decoded from that."""
STANDARDS: dict[str, list[dict[str, Any]]] = {
    "JPEG": [{"format": "JPEG", "quality": quality, "optimize": True} for quality in (5, 10, 25, 50, 75, 90, 96)],
    "JPEG 2000": [
        {"format": "JPEG2000", "irreversible": True, "mct": 1, "quality_layers": [ratio]}
        for ratio in (160, 80, 40, 20, 10, 5)
    ],
    "WebP": [{"format": "WEBP", "quality": quality} for quality in (1, 10, 30, 50, 75, 90, 97)],
    "AVIF": [{"format": "AVIF", "quality": quality, "speed": 8} for quality in (20, 35, 50, 65, 80, 92)],
}


class Figures(NamedTuple):
    """What files of a set of photos take and keep.

    Attributes:
        bits: A pixel.
        psnr: Peak signal-to-noise ratio in dB.
        similarity: MS-SSIM, 0 to 1.
    """

    bits: float
    psnr: float
    similarity: float

    def __str__(self) -> str:
        return f"{self.psnr:.1f} / {self.similarity:.3f}"


Curves = Mapping[str, Sequence[Figures]]
"""Of each codec."""


class Set(NamedTuple):
    """Photos.

    Attributes:
        title: What they are.
        photos: Their pixels.
        bits: A pixel, of the files that they were read from.
    """

    title: str
    photos: list[Photo]
    bits: float


def minutes(weight: str, place: Place) -> float:
    """Train the codec of a weight, and tell for how many minutes of one core."""
    start = time.process_time()
    trained(RUN, {WEIGHT: weight}, place)
    return round((time.process_time() - start) / 60, 1)


def identity(weight: str, place: Place) -> str:
    """What tells a trained codec from others."""
    return " ".join([recipe(RUN), weight, *place.extra])


def train(place: Place, finished: bool = False) -> dict[str, float]:
    """Minutes of each weight, from few bits to many; what is missing is trained, or left out."""
    done = place.folder / "minutes.json"
    names = {weight: identity(weight, place) for weight in WEIGHTS}
    asked = {weight: name for weight, name in names.items() if not finished or name in known(done)}
    found = {weight: once(done, name, partial(minutes, weight, place)) for weight, name in asked.items()}
    return dict(sorted(found.items()))


def pillow(options: dict[str, Any]) -> Coder:
    """Files by Pillow."""

    def code(photo: Photo) -> tuple[bytes, Photo]:
        file = io.BytesIO()
        Image.fromarray(photo).save(file, **options)
        return file.getvalue(), np.asarray(Image.open(file).convert("RGB"))

    return code


def learned(codec: FileCodec) -> Coder:
    """Files by a codec of ours."""

    def code(photo: Photo) -> tuple[bytes, Photo]:
        signal = _signal(photo)
        data = codec.write(codec.encode(signal), tuple(signal.shape))
        return data, codec.decode(*codec.read(data)).permute(1, 2, 0).numpy()

    return code


def measure(code: Coder, photos: Sequence[Photo]) -> Figures:
    """Rate and distortion of photos."""
    size, error, samples, similarity = 0, 0.0, 0, 0.0
    for photo in photos:
        data, decoded = code(photo)
        size += len(data)
        error += float(np.square(decoded.astype(float) - photo).sum())
        samples += photo.size
        similarity += float(ms_ssim(*(_signal(one)[None].float() for one in (decoded, photo)), data_range=255.0))
    psnr = 10 * math.log10(255**2 * samples / error) if error else math.inf
    return Figures(8 * size / (samples / 3), psnr, similarity / len(photos))


def at(curve: Sequence[Figures], bits: float) -> Figures | None:
    """A curve at a rate, linear over its logarithm; nothing beyond its ends."""
    rates, *others = np.array(sorted(curve)).T
    if not rates[0] <= bits <= rates[-1]:
        return None
    return Figures(bits, *(float(np.interp(math.log(bits), np.log(rates), values)) for values in others))


def sets() -> list[Set]:
    """What is coded."""
    root = Path(os.environ["LOSSY_DATA"])
    kodak = sorted((root / "kodak").glob("*.png"))
    others = sorted((root / "imagenette224" / "val").glob("*/*.JPEG"))
    others = others[:: max(1, len(others) // OF_IMAGENETTE)][:OF_IMAGENETTE]
    return [_read(kodak, "photos of Kodak"), _read(others, "validation images of Imagenette")]


def _read(paths: Sequence[Path], told: str) -> Set:
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    size, samples = sum(path.stat().st_size for path in paths), sum(photo.size for photo in photos)
    return Set(f"{len(photos)} {told}", photos, 8 * size / (samples / 3))


def coders(place: Place, weights: Iterable[str]) -> dict[str, dict[str, Coder]]:
    """The trained codec at each weight, those of the package, and the standards; each by what tells it from others."""
    found: dict[str, dict[str, Coder]] = {}
    for weight in weights:
        codec = trained(RUN, {WEIGHT: weight}, place)
        assert isinstance(codec, NonlinearTransform)
        found.setdefault(TRAINED, {})[identity(weight, place)] = learned(codec)
    found |= {f"`{name}`": {name: learned(load_codec(name).codec)} for name in list_codecs()}
    return found | {name: {json.dumps(one): pillow(one) for one in each} for name, each in STANDARDS.items()}


def curves(made: Mapping[str, Mapping[str, Coder]], of: Set, done: Path) -> Curves:
    """Figures of each codec on a set, as far as they are meaningful; what is kept is not measured again."""
    found: dict[str, list[Figures]] = {}
    for name, each in made.items():
        names = {f"{told}, {of.title}": code for told, code in each.items()}
        figures = [Figures(*once(done, told, partial(measure, code, of.photos))) for told, code in names.items()]
        found[name] = [one for one in figures if one.bits < MOST * of.bits]
    return found


def rows(title: str, found: Curves) -> Iterator[list[str]]:
    """A row for each point of learned codecs on a set, beside the standards at its rate."""
    for name, curve in found.items():
        for own in curve if name not in STANDARDS else ():
            beside = (at(found[standard], own.bits) for standard in STANDARDS)
            yield [title, name, f"{own.bits:.2f}", str(own), *("" if one is None else str(one) for one in beside)]


def main() -> None:
    """Train what is missing, measure, show the table, and draw."""
    given = parser(__doc__)
    given.add_argument("--folder", type=Path, help="where codecs and figures are kept")
    given.add_argument("--finished", action="store_true", help="train nothing; show what is there")
    given.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given.add_argument("--draw", type=Path, metavar="FILE", help="draw all curves into this file")
    told, extra = given.parse_known_args()
    torch.set_num_threads(1)
    with kept(told.folder) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        place = Place(torch.empty(0), folder, 0, tuple(extra), Path(os.environ["LOSSY_DATA"]) / "imagenette224")
        spent = train(place, told.finished)
        made = coders(place, spent)
        found = {each.title: curves(made, each, folder / "photos.json") for each in sets()}
    header = ["pictures", "codec", "bits a pixel", "PSNR, dB / MS-SSIM", *(f"{name} at as many" for name in STANDARDS)]
    took = ", ".join(f"{taken:.1f} ({weight})" for weight, taken in spent.items())
    note = f"Whole files. Minutes of one core in training, by weight of distortion: {took or 'none'}."
    show([header, *(row for each in found.items() for row in rows(*each))], note, told.update, "photo-codecs")
    if told.draw:
        panels = {
            title: {name.strip("`"): [(one.bits, one.psnr) for one in curve] for name, curve in each.items() if curve}
            for title, each in found.items()
        }
        draw_panels(panels, "PSNR, dB", told.draw, "bits a pixel")


def _signal(photo: Photo) -> Tensor:
    return torch.from_numpy(photo.copy()).permute(2, 0, 1)


if __name__ == "__main__":
    main()
