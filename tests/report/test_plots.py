import math
import re
from pathlib import Path
from typing import Any

import pytest

from lossy_lightning.report import Group, Run, State, as_html, group_runs, table_rows
from lossy_lightning.report.groups import labels

pytest.importorskip("matplotlib")
from lossy_lightning.report.plots import cost_plot, learning_plot, macs_plot, pictures


def groups(*figures: dict[str, float], name: str = "digits", **config: Any) -> list[Group]:
    curves = {"val_acc": [(0.0, 0.25), (1.0, 0.5)]}
    return group_runs(
        Run(Path(name), State.FINISHED, figures=values, curves=curves, config={"levels": 2 ** (i + 1), **config})
        for i, values in enumerate(figures)
    )


COSTS = {"test_acc": 0.5, "memory/weights_bytes": 2048.0, "macs/1bit": 1000.0, "attack/acc_clean": 0.5}


def axis(svg: str, label: str) -> list[float]:
    """Numbers of the ticks, of an SVG whose text is text."""
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert label in texts
    return [float(text) for text in texts if re.fullmatch(r"[\d.]+", text)]


def test_pictures_have_the_units_of_the_table() -> None:
    two = groups(COSTS, COSTS | {"test_acc": 0.75, "memory/weights_bytes": 4096})
    (titles, first, second) = table_rows(two, ["test_acc", "memory/weights_bytes"])
    assert titles[1:3] == ["test accuracy, %", "stored, KiB"]
    assert (first[1:3], second[1:3]) == (["50.00", "2.00"], ["75.00", "4.00"])
    picture = cost_plot(two, "memory/weights_bytes")
    assert picture is not None
    numbers = axis(picture.svg, "test accuracy, %") + axis(picture.svg, "stored, KiB")
    assert {50, 75} & set(numbers)
    assert max(numbers) < 100
    curve = learning_plot(two, "val_acc")
    assert curve is not None
    assert 50 in axis(curve.svg, "val accuracy, %")


def test_curves_are_labelled_by_what_differs() -> None:
    picture = learning_plot(groups(COSTS, COSTS), "val_acc")
    assert picture is not None
    assert {"1 levels=2", "2 levels=4"} <= set(re.findall(r"<text[^>]*>([^<]*)</text>", picture.svg))
    mixed = groups(COSTS) + groups(COSTS, name="mnist")
    assert labels(mixed) == ["digits", "mnist"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e308])
def test_what_cannot_be_drawn_is_left_out_and_named(bad: float) -> None:
    mixed = groups(COSTS, COSTS | {"test_acc": bad}, COSTS | {"memory/weights_bytes": bad, "macs/1bit": bad})
    drawn = {picture.name: picture.caption for picture in pictures(mixed)}
    assert drawn["macs"].endswith("Not drawn where it is not a finite number: 2, 3.")
    assert drawn["memory_weights_bytes"].endswith("2, 3.")
    assert as_html(mixed, ["test_acc", "memory/weights_bytes"])


def test_a_gap_in_a_curve_is_told() -> None:
    (group,) = groups(COSTS)
    group.runs[0].curves["val_loss"] = [(0, 1.0), (1, math.nan), (2, 0.5)]
    picture = learning_plot([group], "val_loss")
    assert picture is not None
    assert picture.caption.endswith("Not drawn where it is not a finite number: 1.")


@pytest.mark.parametrize("name", ["_hidden", "a$b", "$\\frac$", "a\nb", "<&>", "x" * 300])
def test_any_name_can_be_drawn(name: str) -> None:
    named = groups(COSTS, name=name) + groups(COSTS | {f"{name}_acc": 0.5}, name=f"{name}2")
    assert learning_plot(named, "val_acc") is not None
    assert macs_plot(named, f"{name}_acc") is not None
    assert as_html(named, ["test_acc", f"{name}_acc"], f"{name}_acc")


def test_titles_of_columns_never_collide() -> None:
    row = {"/train/acc": 0.25, "/val/acc": 0.5, "a_b_acc": 0.1, "a b_acc": 0.2}
    titles, cells = table_rows(groups(row), list(row))
    assert len(set(titles)) == len(titles)
    assert cells[1:5] == ["25.00", "50.00", "10.00", "20.00"]
