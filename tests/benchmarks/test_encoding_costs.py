from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.encoding_costs import with_costs
from lossy_lightning.report import Run, read_results

RESULTS = Path(__file__).parent.parent.parent / "docs" / "results"


def run(file: str, name: str) -> Run:
    return next(run for run in read_results(RESULTS / f"{file}.json") if run.name == name)


@pytest.mark.parametrize(
    ("name", "encoding", "whole"),
    [
        ("mnist_baseline", 0, 194_688),
        ("mnist_vq_lookup_bnn", 49 * 16 * 16, 49 * 16 * 16),
        ("mnist_joint", 0, 62_720),  # its encoder is part of the network
        ("mnist_joint_float_codes", 62_720, 62_720 + 258_112),
        ("mnist_joint_field_codes", 241_472, 241_472),
    ],
)
def test_runs_of_the_documents_cost_what_their_encoders_multiply(name: str, encoding: int, whole: int) -> None:
    run_ = run("mnist", name)
    bare = replace(run_, figures={k: v for k, v in run_.figures.items() if not k.startswith(("macs/en", "macs/sen"))})
    figures = with_costs(bare).figures
    assert (figures["macs/encoding/32bit"], figures["macs/sensor_to_label/32bit"]) == (encoding, whole)
    assert with_costs(with_costs(bare)).figures == figures
