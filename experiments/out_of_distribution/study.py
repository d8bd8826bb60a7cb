"""How do codecs treat what they were not made for? Sound and images through codecs, before two judges.

    LOSSY_DATA=... python -m experiments.out_of_distribution.study [--parts sound images resampled origins]
        [--families NAME ...] [--folder FOLDER] [--held-out] [--finished] [--results FILE]
        [--update docs/out_of_distribution.md] [--draw docs/pictures]

Sound of three kinds (speech, surroundings, made music: `material.py`) goes through codecs at several rates
(`coders.py`), images of two kinds through those of Pillow; `judge_codecs` tells distances, and how far YAMNet and
MobileNetV2 agree before and after. Codes of spectrograms are fitted to 100 s of speech of other speakers, or of other
surroundings. Other parts are of drift: networks trained at 16 kHz on words of lower rates (`resampled.py`), and the
judges on signals that once were smaller (`origins.py`). `--held-out` is how settings were chosen: speakers and sounds
that are not tested. A folder keeps figures as they come; what is there is not made again, and ``--finished`` makes
nothing.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import kept, known, once, show, study_parser
from experiments.out_of_distribution import material, resampled
from experiments.out_of_distribution.coders import Coders, image_coders, sound_coders
from experiments.out_of_distribution.material import Material
from experiments.out_of_distribution.origins import origins
from experiments.out_of_distribution.tables import (
    Found,
    breaks,
    compared,
    draw,
    image_rows,
    origin_rows,
    resampled_rows,
    sound_rows,
)
from lossy_lightning.callbacks import judge_codecs

PARTS = ("sound", "images", "resampled", "origins")
SOUNDS: dict[str, Callable[[], Material]] = {
    "surroundings": material.surroundings,
    "speech": material.speech,
    "music": material.music,
}
HELD_OUT: dict[str, Callable[[], Material]] = {
    "surroundings": partial(material.surroundings, fitting=True),
    "speech": partial(material.speech, "train", 20),
    "music": partial(material.music, seed=1),
}
IMAGES: dict[str, Callable[[], Material]] = {"imagenette": material.imagenette, "kodak": material.kodak}
FAMILIES = {
    "sound": ("Lyra", "Opus", "Codec2", "VQ of speech", "VQ of surroundings", "MP3", "Vorbis"),
    "images": ("JPEG", "JPEG 2000", "WebP", "AVIF"),
    "origins": ("sound", "images"),
}


@cache
def coders(part: str) -> dict[str, Coders]:
    """Codecs of a part, by family and setting."""
    if part == "images":
        return image_coders()
    if part == "origins":
        return origins()
    fitted = (material.speech("train", 20), material.surroundings(fitting=True))
    return sound_coders(*(torch.stack(each.signals) for each in fitted))


def run(part: str, family: str, take: Callable[[], Material]) -> dict[str, Any]:
    """Measures of each setting, one number a signal, and the groups of these."""
    signals, groups = take()
    judge = material.hearing() if "sound" in (part, family) else material.seeing()
    found = judge_codecs(coders(part)[family], signals, judge)
    settings = {
        setting: {measure: [round(float(value), 4) for value in values] for measure, values in measures.items()}
        for setting, measures in found.items()
    }
    return {"groups": groups, "settings": settings}


def runs(parts: list[str], families: list[str], held_out: bool) -> Iterator[tuple[str, str, str]]:
    """Part, family and kind of signals of all runs, in their order."""
    for part in parts:
        if part == "resampled":
            yield from ((part, code, str(fold)) for fold in resampled.FOLDS for code in resampled.CODES)
        for family in FAMILIES.get(part, ()):
            kinds = HELD_OUT if held_out else SOUNDS
            for kind in kinds if "sound" in (part, family) else IMAGES:
                if not families or family in families:
                    yield part, family, kind


def make(part: str, family: str, kind: str, held_out: bool) -> Any:
    """Figures of a run."""
    if part == "resampled":
        return resampled.run(family, int(kind))
    kinds = HELD_OUT if held_out else SOUNDS
    return run(part, family, kinds[kind] if kind in kinds else IMAGES[kind])


def tell(found: Found, document: Path | None, pictures: Path | None) -> None:
    """Show the tables of what is there, and draw it."""
    rows = {
        "sound": (sound_rows, "Speech / surroundings / music; of each the mean over signals."),
        "compared": (compared, "Positive is better for the first; intervals of 95 %, bootstrap."),
        "breaks": (breaks, "Share of signals whose first tag stays, in percent; others by interpolation."),
        "images": (image_rows, "Intervals of 95 %: bootstrap over classes, and images within them."),
        "resampled": (resampled_rows, "Test accuracy of folds of speakers, in percent; intervals over folds."),
        "origins": (origin_rows, "Intervals of 95 %: bootstrap over classes, and signals within them."),
    }
    for name, (table, note) in rows.items():
        told = table(found)
        if len(told) > 1:
            show(told, note, document, f"ood-{name}")
    if pictures:
        draw(found, pictures)


def main() -> None:
    """Run what is missing, and show the tables."""
    options = study_parser(__doc__)
    options.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    options.add_argument("--families", nargs="+", default=[], metavar="NAME", help="codecs to run; default all")
    options.add_argument("--held-out", action="store_true", help="speakers and sounds that are not tested")
    options.add_argument("--draw", type=Path, metavar="FOLDER", help="draw curves into this folder")
    given = options.parse_args()
    torch.set_num_threads(1)
    found: Found = {}
    with kept(given.folder) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        done = given.results or folder / ("held_out.json" if given.held_out else "figures.json")
        there = known(done)
        for part, family, kind in runs(given.parts, given.families, given.held_out):
            key = f"{part} | {family} | {kind}"
            if given.finished and key not in there:
                continue
            if family == "Codec2" and key not in there and family not in coders(part):
                print(f"  {key}: left out, there are no c2enc and c2dec", flush=True)
                continue
            found[part, family, kind] = once(done, key, partial(make, part, family, kind, given.held_out))
            print(f"  {key}", flush=True)
    tell(found, given.update, given.draw)


if __name__ == "__main__":
    main()
