"""Mutated files of each standard: read or refused, and neither a crash nor a reader that hangs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .fuzz import READERS

ROOT = Path(__file__).parents[2]


def fuzz(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.bitstream.fuzz", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("reader", READERS)
def test_mutated_files_are_read_or_refused(reader):
    assert fuzz(reader, "2000", "--plain").startswith(f"{reader}: 2000 mutants")


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_mutants_reach_nine_tenths_of_all_branches(reader):
    printed = fuzz(reader, "50000", "--seed", "1")
    assert float(re.search(r"([\d.]+) % of \d+ branches", printed)[1]) >= 90, printed
