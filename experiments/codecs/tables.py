"""What the study says: what numbers are worth at equal count, and what each codec costs and gives."""

import math
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from benchmarks.accuracy.transform_rates import draw, point
from benchmarks.harness import machine, precision, seconds, show, spread
from benchmarks.intervals import bootstrap, over
from experiments.codecs.arms import CODECS, EQUAL_BITS, LATENTS, NUMBERS, PIXELS, Arm
from experiments.complexity.tables import points
from experiments.complexity.trials import SHAPE
from lossy_lightning.codecs import NonlinearTransform
from lossy_lightning.core import Codec
from lossy_lightning.profiling import count_encoding_macs

Found = Mapping[Arm, list[dict[str, Any]]]
"""Figures of each seed, by arm."""
About = Mapping[Arm, dict[str, Any]]
"""What was measured of the codec of each arm."""
GOAL = 3.0
"""Points above pixels of equal dimension that linear analysis is to reach."""


@torch.no_grad()
def measure(codec: Codec, images: Tensor) -> dict[str, float]:
    """Rate, distortion and cost of a codec; rates of learned entropy models are what these tell."""
    found = point(codec, [images])._asdict()
    if isinstance(codec, NonlinearTransform):
        told = torch.cat([codec(part).bits for part in images.split(500)])
        found["bits"] = float(told.mean()) / math.prod(SHAPE[1:])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    taken = min(seconds(partial(codec.encode, images[:1000]), time.process_time) for _ in range(3))
    torch.set_num_threads(threads)
    return found | {
        "ms": 1e6 * taken / len(images[:1000]),
        "numbers": math.prod(side or 0 for side in codec.spec(SHAPE).shape),
        "macs": sum(count_encoding_macs(codec, SHAPE).values()),
    }


def equal_numbers(found: Found, about: About) -> list[list[str]]:
    """A row for each way to 192 numbers, on 32x32 and on its own grid."""
    rows = [["192 numbers an image", "read on", "test accuracy, %", "above pixels, over seeds", "bootstrap", "form"]]
    rows[0] += ["bits a pixel", "PSNR, dB", "MMAC", "its decoder's"]
    for arm, each in found.items():
        if arm.name not in NUMBERS:
            continue
        told = about[arm]
        control = found.get(Arm(PIXELS, arm.fine))
        gained = points(each, control) if control and arm.name != PIXELS else None
        row = [arm.name, arm.grid, spread([one["accuracy"] for one in each])]
        row += ["", ""] if gained is None else [str(over(gained.mean(1))), str(bootstrap(gained, nested=1))]
        row += [_form(arm.name, each[0]["form"]), *([f"{told['bits']:.2f}", _psnr(told)] if told else ["", ""])]
        rows.append(row + [f"{mean(one[name] for one in each) / 1e6:.2f}" for name in ("macs", "decoder")])
    return rows


def verdict(found: Found) -> str:
    """Whether linear analysis is as far above pixels as it is to be."""
    told = []
    for fine in (True, False):
        own, control = found.get(Arm(LATENTS, fine)), found.get(Arm(PIXELS, fine))
        if own and control and min(len(own), len(control)) > 1:
            gained = over(points(own, control).mean(1))
            reached = gained.mean >= GOAL and gained.low > 0
            where = "32x32" if fine else "their own grids"
            told.append(f"On {where}, linear analysis is {'' if reached else 'not '}{GOAL:g} points above pixels.")
    return " ".join(told)


def all_codecs(found: Found, about: About) -> list[list[str]]:
    """A row for each codec and rate."""
    rows = [["codec", "bits a pixel", "numbers an image", "test accuracy, %", "PSNR, dB", "MMAC of the network"]]
    rows[0] += ["encoding, thousand MACs", "encoding 1000 images, ms"]
    for arm, each in found.items():
        if arm.name in CODECS:
            told = about[arm]
            row = [arm.name, f"{told['bits']:.2f}", f"{told['numbers']:.0f}", spread([one["accuracy"] for one in each])]
            row += [_psnr(told), f"{mean(one['macs'] for one in each) / 1e6:.2f}"]
            rows.append([*row, f"{told['macs'] / 1e3:.0f}", f"{told['ms']:.0f}"])
    return rows


def write(found: Found, about: About, document: Path | None, picture: Path | None) -> None:
    """Show the tables, and put them into a document and draw codecs, if there are places for that."""
    parts = [{arm: each for arm, each in found.items() if arm.name in names} for names in (NUMBERS, CODECS)]
    numbers, codecs = map(_note, parts)
    show(equal_numbers(found, about), f"{numbers} {verdict(found)}".strip(), document, "codecs-numbers")
    show(all_codecs(found, about), f"{codecs} {machine()}.", document, "codecs-all")
    if picture:
        curves: dict[str, list[tuple[float, float]]] = {}
        for arm, each in found.items():
            if arm.name in CODECS:
                place = about[arm]["bits"], mean(one["accuracy"] for one in each)
                curves.setdefault(arm.name.split(",")[0], []).append(place)
        draw(curves, "test accuracy, %", picture, "bits a pixel")


def _form(name: str, form: str) -> str:
    """In words: widths of convolutions make a decoder's form, which pixels of as many bits name behind their own."""
    if name == EQUAL_BITS:
        return form.partition(" ")[0]
    if name == LATENTS:
        return f"decoder with {form[1:-1]} channels" if form != "[]" else "linear decoder"
    return form


def _psnr(told: Mapping[str, float]) -> str:
    return "" if math.isinf(told["psnr"]) else f"{told['psnr']:.1f}"


def _note(found: Found) -> str:
    epochs = " or ".join(map(str, sorted({one["epochs"] for each in found.values() for one in each})))
    seeds = " or ".join(map(str, sorted({len(each) for each in found.values()})))
    return f"{epochs} epochs, {seeds} seed(s), in {precision()}." if found else ""
