"""Two files of a batch in one loop: each as alone, whatever the other one is."""

import itertools
import re

import numpy as np
import pytest

from lossy_lightning.bitstream.jpeg import JPEGCoefficients, read_coefficients, read_coefficients_batch

from .jpeg_files import encode, picture

LARGE = encode(picture(67, 53), quality=90, subsampling="4:2:0")
ROW = LARGE.index(b"\xff\xda") + 14  # where the data of the scan begin

FILES = {
    "large": LARGE,
    "4:4:4": encode(picture(40, 24, 1), quality=30, subsampling="4:4:4"),
    "optimized": encode(picture(33, 64, 2), quality=75, optimize=True),
    "grey": encode(picture(20, 90, 3, "L"), quality=95),
    "CMYK": encode(picture(16, 16, 4, "CMYK"), quality=60),
    "restarts": encode(picture(50, 40, 5), quality=75, restart_marker_blocks=2),
    "progressive": encode(picture(50, 40, 6), quality=75, progressive=True),
    "cut": LARGE[: ROW + 200],
    "cut at the end": LARGE[:-12] + b"\xff\xd9",
    "early marker": LARGE[: ROW + 300] + b"\xff\xd9",
    "ones": LARGE[: ROW + 100] + b"\xff\x00" * 40 + LARGE[ROW + 180 :],
    "zeros": LARGE[: ROW + 100] + bytes(80) + LARGE[ROW + 180 :],
    "two scans": LARGE[:-2] + LARGE[LARGE.index(b"\xff\xda") :],
    "no end": LARGE[:-2],
}


def read(data: bytes) -> JPEGCoefficients | str:
    try:
        return read_coefficients(data)
    except ValueError as error:
        return str(error)


def assert_same(image: JPEGCoefficients, alone: JPEGCoefficients) -> None:
    assert image[:3] == alone[:3]
    for component, other in zip(image.components, alone.components, strict=True):
        np.testing.assert_array_equal(component.coefficients, other.coefficients)
        np.testing.assert_array_equal(component.quantization_table, other.quantization_table)


@pytest.mark.parametrize("count", [2, 3])
def test_files_of_a_batch_are_read_as_alone(count: int) -> None:
    alone = {name: read(data) for name, data in FILES.items()}
    assert sum(isinstance(found, str) for found in alone.values()) >= 4
    for names in itertools.product(FILES, repeat=count):
        files, errors = [FILES[name] for name in names], [isinstance(alone[name], str) for name in names]
        if any(errors):
            first = errors.index(True)
            with pytest.raises(ValueError, match=f"^{re.escape(f'file {first} of the batch: {alone[names[first]]}')}$"):
                read_coefficients_batch(files)
        else:
            for image, name in zip(read_coefficients_batch(files), names, strict=True):
                assert_same(image, alone[name])
