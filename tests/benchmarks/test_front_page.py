"""The README's table and pictures."""

import pytest
from PIL import Image

from benchmarks.front_page import draw_code, draw_pareto, short, table


@pytest.mark.parametrize(
    ("number", "text"),
    [(2_599_552, "2.60 M"), (194_688, "195 k"), (102_105_600, "102 M"), (17_280, "17.3 k"), (0, "0")],
)
def test_numbers_have_three_digits(number, text):
    assert short(number) == text


def test_costs_of_making_a_code_stand_beside_those_of_the_network():
    rows = [line.split(" | ") for line in table().splitlines()]
    assert rows[0][-2:] == ["MACs of the code", "MACs, sensor to label |"]
    binary = next(row for row in rows if row[0] == "| MNIST: learned codes, all binary")
    assert binary[2:] == ["196", "17.3 k of 1 bit", "241 k of 32 bit", "241 k of 32 bit, 17.3 k of 1 bit |"]


def test_pictures_are_drawn(tmp_path):
    draw_code(tmp_path / "code.png")
    draw_pareto(tmp_path / "pareto.svg")
    with Image.open(tmp_path / "code.png") as image:
        assert image.width > 2 * image.height
    assert (tmp_path / "pareto.svg").read_text().count("<svg") == 1
