# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""README's table of ratios: a line an aim, of all kinds of work that it is held to."""
from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable

from compared import Compared
from promised import operation_of
from ratios import AIMED_AT_COPY, ALL_GEMMS, OWN_FASTEST, TWICE_READ
from tables import OF_BEST, OF_COPY, OF_PEER, OF_READING, OF_TORCH_GEMM, Aim, Row, Rows

HEAD = ("ratio, one run on one GPU", "aim of the median", "measured")


@dataclasses.dataclass(frozen=True)
class Line:
    words: str
    aim: Aim
    rows: Callable[[Compared], Rows]  # by kind of work


def is_copied(what: str, _: str) -> bool:
    return operation_of(what) in AIMED_AT_COPY and not what.startswith("quantize tensor")


def is_torchs(what: str, _: str) -> bool:
    return operation_of(what) == "expert_gemm" and what != ALL_GEMMS


def is_own_gemm(what: str, name: str) -> bool:
    return operation_of(what) == "expert_gemm" and what != ALL_GEMMS and name in (OWN_FASTEST, "-")


def chosen(rows: Rows, is_wanted: Callable[[str, str], bool]) -> Rows:
    return {key: row for key, row in rows.items() if row.aim and is_wanted(*key)}


LINES = (
    Line("permute, unpermute, quantize, SwiGLU of 256 MiB and more: share of a copy of the same bytes", OF_COPY,
         lambda compared: chosen(compared.copied, is_copied)),
    Line("quantize with one scale for a tensor: the same, its second reading counted (by the bytes of one reading some 0.6 is the "
         "most there can be of 16-bit values that no cache holds: the aim is out of its reach)", OF_COPY,
         lambda compared: chosen(compared.copied, lambda what, _: what == TWICE_READ)),
    Line("softmax and top-k over one read of the logits, 32 MiB and more", OF_READING,
         lambda compared: chosen(compared.read_once, lambda *_: True)),
    Line("own kernels: best peer's time over ours", OF_PEER,
         lambda compared: {key: row for key, row in compared.best_peers.items() if row.aim == OF_PEER}),
    Line("expert_gemm: time of torch.mm or _scaled_mm over ours", OF_TORCH_GEMM,
         lambda compared: chosen(compared.of_peers, is_torchs)),
    Line("expert_gemm: fastest implementation of the run over ours", OF_BEST,
         lambda compared: chosen(compared.fastest.get("expert_gemm", {}), is_own_gemm)),
)


def aim_text(aim: Aim) -> str:
    return f"{'<=' if aim.at_most else '>='} {aim.bound}"


def measured_text(rows: Rows, aim: Aim, is_judged: bool) -> str:
    """The median of all points, and of the kind of work that is furthest from the aim: one median may hide another."""
    timed = {what: row for (what, _), row in rows.items() if row.entries}
    if not timed:
        return "not yet measured"
    ratios = [ratio for row in timed.values() for ratio, _ in row.entries]
    pick = max if aim.at_most else min
    what, least = pick(timed.items(), key=lambda item: item[1].median())
    said = f"{statistics.median(ratios):.2f} of {len(ratios)} point{'s' * (len(ratios) > 1)}"
    if len(timed) > 1:
        said += f"; {len(timed)} kinds, the {'most' if aim.at_most else 'least'} {least.median():.2f} ({what})"
    missing = sorted({what for what, _ in rows} - set(timed))
    return f"{said}: {verdict(timed, aim, is_judged)}" + (f"; not yet measured: {', '.join(missing)}" if missing else "")


def verdict(timed: dict[str, Row], aim: Aim, is_judged: bool) -> str:
    if not is_judged:
        return "the aim is of GPUs"
    missed = [row for row in timed.values() if not aim.is_met(row.median())]
    return f"missed by {len(missed)} of them" if missed and len(timed) > 1 else "missed" if missed else "met"


def section(compared: Compared, run: str, is_judged: bool) -> str:
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    for line in LINES:
        lines.append(f"| {line.words} | {aim_text(line.aim)} | {measured_text(line.rows(compared), line.aim, is_judged)} |")
    return f"\n## For README\n\n{run}\n\n" + "\n".join(lines)
