"""libjpeg's coefficients through jpeglib: run as a script, since jpeglib may end its process on a bad file."""

import sys
from pathlib import Path

import jpeglib
import numpy as np


def main(target: str, paths: list[str]) -> None:
    """Save each file's planes and tables under ``<index>/<component>/{values,table}``."""
    arrays = {}
    for index, path in enumerate(paths):
        image = jpeglib.read_dct(path)
        planes = [plane for plane in (image.Y, image.Cb, image.Cr, image.K) if plane is not None]
        for c, plane in enumerate(planes):
            arrays[f"{index}/{c}/values"] = plane
            arrays[f"{index}/{c}/table"] = image.get_component_qt(c)
    np.savez(target, **arrays)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).read_text().splitlines())
