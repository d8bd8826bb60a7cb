"""The report as one self-contained HTML page."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from lossy_lightning.report._drawing import Picture
from lossy_lightning.report.groups import Group, differences, shown
from lossy_lightning.report.plots import pictures
from lossy_lightning.report.runs import Run, State
from lossy_lightning.report.table import column, hardware_text, table_rows

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --page: #fff; --faint: #565d66; --line: #d5d9de; --head: #f4f5f7;
  --state: #e7ebef; --broken: #fbdcd9; --running: #fdf0c8; --finished: #daf1dd; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ed; --page: #15181c; --faint: #a3abb5; --line: #3a4049; --head: #20252b;
    --state: #333a43; --broken: #6b2420; --running: #5f4a0c; --finished: #1d4d27; }
  figure svg { filter: invert(.92) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 88rem; padding: 1rem; font: 15px/1.5 system-ui, sans-serif; color: var(--text);
  background: var(--page); }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .4rem; font-size: .82rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { background: var(--head); font-weight: 600; white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--page);
  white-space: normal; min-width: min(14rem, 38vw); max-width: 18rem; overflow-wrap: anywhere; }
th:first-child { background: var(--head); } tr:last-child td { border-bottom: 0; }
.number { display: inline-block; min-width: 1.5em; padding: 0 .35em; margin-right: .4em; border-radius: 1em;
  color: #fff; text-align: center; font-size: .85em; }
.pictures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 23rem), 1fr)); }
figure { margin: 0; padding: .6rem; border: 1px solid var(--line); border-radius: 6px; }
figure svg { width: 100%; height: auto; display: block; }
figcaption { font-size: .85rem; color: var(--faint); } figcaption b { display: block; color: var(--text);
  font-size: .95rem; }
.state { padding: 0 .45em; border-radius: 4px; font-size: .85em; background: var(--state); }
.broken { background: var(--broken); } .running { background: var(--running); }
.finished { background: var(--finished); }
details { margin: .4rem 0; border: 1px solid var(--line); border-radius: 6px; padding: .4rem .7rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
code { font-size: .85em; overflow-wrap: anywhere; } dl { margin: .4rem 0; }
dt { font-weight: 600; font-size: .85rem; } dd { margin: 0 0 .3rem; overflow-wrap: anywhere; }
"""
_TITLE = "Runs compared"
_PALETTE = ("1f77b4", "ff7f0e", "2ca02c", "d62728", "9467bd", "8c564b", "e377c2", "7f7f7f", "bcbd22", "17becf")
"""Matplotlib's ten colours, so that the table's numbers look as in the pictures."""


def as_html(groups: Sequence[Group], names: Sequence[str], metric: str = "test_acc") -> str:
    """The whole page.

    Args:
        groups: One row of the table each, numbered in all pictures.
        names: Logged names of the table's columns.
        metric: Logged name that stands for accuracy.

    Raises:
        ModuleNotFoundError: If Matplotlib is not installed.
    """
    drawn = pictures(groups, metric)
    runs = [run for group in groups for run in group.runs]
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    unsound = sum(run.state is not State.FINISHED for run in runs)
    parts = [
        f"<h1>{_TITLE}</h1>",
        f"<p>{len(groups)} experiment{'s' * (len(groups) != 1)}, {len(runs)} run{'s' * (len(runs) != 1)}"
        f"{f', {unsound} of them not finished or foreign' if unsound else ''}. Made {made}. "
        "Figures are mean ± standard deviation over the seeds of finished (and foreign) runs; "
        "a row with neither shows what there is.</p>",
        _table(groups, names),
        _differences(groups),
        _section("Accuracy against cost", [p for p in drawn if p.title.startswith("Accuracy against")]),
        _section("Learning curves", [p for p in drawn if p.title.endswith("by epoch")]),
        _section("Attacks", [p for p in drawn if p.name == "attack"]),
        "<h2>Each run</h2>",
        *(_run(i, run) for i, group in enumerate(groups) for run in group.runs),
        _meanings(names),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_TITLE}</title><style>{_STYLE}</style>"
    )
    body = "\n".join(part for part in parts if part)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _table(groups: Sequence[Group], names: Sequence[str]) -> str:
    head, *rows = table_rows(groups, names)
    number = len(head) - (head[-1] == "state")  # it stands beside the name, or it would be out of sight
    cells = "".join(f"<th>{escape(title)}</th>" for title in head[:number])
    body = "".join(
        f"<tr><td>{_number(i)}{escape(row[0])}{_unsound(group)}</td>"
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:number])}</tr>"
        for i, (group, row) in enumerate(zip(groups, rows, strict=True))
    )
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _differences(groups: Sequence[Group]) -> str:
    """Settings that are not the same in all rows of the table."""
    found = differences(groups)
    if not found:
        return ""
    cells = "".join(f"<th>{_number(i)}</th>" for i in range(len(groups)))
    body = "".join(
        f"<tr><td>{_breakable(key)}</td>{''.join(f'<td>{escape(value)}</td>' for value in values)}</tr>"
        for key, values in found.items()
    )
    head = f"<thead><tr><th>setting</th>{cells}</tr></thead>"
    return f'<h2>What differs</h2><div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'


def _breakable(name: str) -> str:
    """A setting's name that a narrow page breaks between its words."""
    return re.sub(r"(?<=[._])", "<wbr>", escape(name))


def _unsound(group: Group) -> str:
    """Number of runs of a row in each state except finished."""
    return "".join(
        f" {_state(state, f'{count} {state}' if len(group.runs) > 1 else state)}"
        for state, count in group.states.items()
        if state != State.FINISHED
    )


def _state(state: str, said: str) -> str:
    return f'<span class="state {state}">{said}</span>'


def _number(i: int) -> str:
    return f'<span class="number" style="background:#{_PALETTE[i % len(_PALETTE)]}">{i + 1}</span>'


def _section(title: str, drawn: Sequence[Picture]) -> str:
    figures = "".join(
        f"<figure>{picture.svg}<figcaption><b>{escape(picture.title)}</b>{escape(picture.caption)}</figcaption></figure>"
        for picture in drawn
    )
    return f'<h2>{title}</h2><div class="pictures">{figures}</div>' if drawn else ""


def _run(i: int, run: Run) -> str:
    environment = run.environment
    versions = environment.get("versions") or {}
    facts = {
        "Reason": run.reason,
        "Remarks": "; ".join(run.notes) if run.reason not in run.notes else "",
        "Command": environment.get("command"),
        "Seed": run.seed,
        "Versions": ", ".join(f"{package} {version}" for package, version in versions.items()),
        "Hardware": hardware_text(environment) if environment else None,
        "Started, ended": " to ".join(str(environment[key]) for key in ("started", "ended") if key in environment),
        "Folder": shown(run.path),
    }
    listed = "".join(
        f"<dt>{name}</dt><dd>{f'<code>{escape(str(fact))}</code>' if name == 'Command' else escape(str(fact))}</dd>"
        for name, fact in facts.items()
        if fact not in (None, "")
    )
    opened = " open" if run.state is State.BROKEN else ""
    numbers = {"seed": run.seed, "fold": run.fold}
    told = "".join(f", {name} {number}" for name, number in numbers.items() if number is not None)
    label = f"{_number(i)}{escape(run.name)}{told} {_state(run.state, run.state)}"
    return f"<details{opened}><summary>{label}</summary><dl>{listed}</dl></details>"


def _meanings(names: Sequence[str]) -> str:
    listed = "".join(
        f"<dt>{escape(told.title)}</dt><dd><code>{escape(told.name)}</code> {escape(told.meaning)}</dd>"
        for told in map(column, names)
    )
    return f"<h2>What the columns are</h2><dl>{listed}</dl>"
