# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Ratios as tables: their medians, the aims they are held to, and the points that fall short."""
from __future__ import annotations

import collections
import dataclasses
import math
import statistics


@dataclasses.dataclass(frozen=True)
class Aim:
    """What a median is to reach."""
    bound: float
    at_most: bool = False

    def text(self) -> str:
        return f"{'at most' if self.at_most else 'at least'} {self.bound:g}"

    def is_met(self, ratio: float) -> bool:
        return ratio <= self.bound if self.at_most else ratio >= self.bound


OF_COPY, OF_PEER, OF_TORCH_GEMM, OF_BEST, OF_READING = Aim(0.92), Aim(1.0), Aim(0.98), Aim(0.95), Aim(1.3, at_most=True)


@dataclasses.dataclass
class Row:
    """Ratios of one operation to one other thing, with the point that each is of."""
    aim: Aim | None = None
    of: int = 0  # points there are; 0: as many as there are ratios
    ceiling: float = math.inf  # what none could exceed that finds nothing of its first reading in the cache
    entries: list[tuple[float, str]] = dataclasses.field(default_factory=list)
    untimed: collections.Counter = dataclasses.field(default_factory=collections.Counter)  # points by reason

    def add(self, ratio: float, point: str) -> None:
        self.entries.append((ratio, point))

    def median(self) -> float:
        return statistics.median(ratio for ratio, _ in self.entries)

    def is_out_of_reach(self) -> bool:
        return self.aim is not None and self.ceiling < self.aim.bound

    def verdict(self, is_judged: bool) -> str:
        if not self.entries:
            return (f"{self.aim.text()}: " if self.aim else "") + "not yet measured"
        if self.aim is None:
            return "not judged"
        if self.is_out_of_reach():
            return f"{self.aim.text()}: out of reach, {self.ceiling:.2f} at most"
        return f"{self.aim.text()}: " + (("met" if self.aim.is_met(self.median()) else "missed") if is_judged else "of GPUs")

    def short(self) -> str:
        """How many of the points miss the aim by themselves."""
        if self.aim is None or self.is_out_of_reach():
            return "-"
        return str(sum(not self.aim.is_met(ratio) for ratio, _ in self.entries))

    def worst(self) -> tuple[float, str]:
        pick = max if self.aim is not None and self.aim.at_most else min
        return pick(self.entries, key=lambda entry: entry[0])


Rows = dict[tuple[str, str], Row]


def new_rows() -> Rows:
    return collections.defaultdict(Row)


LONGEST_REASON = 100  # in a cell; the list below the tables has more of it


def untimed_text(row: Row) -> str:
    reasons = sorted(row.untimed.items())
    return "; ".join((f"{points}: " if points else "") + in_cell(why) for why, points in reasons) or "-"


def in_cell(reason: str) -> str:
    return " ".join(reason[:LONGEST_REASON].replace("|", "/").split())


def cells_of(row: Row, is_judged: bool) -> list[str]:
    timed = len(row.entries)
    taken = f"{timed} of {max(row.of, timed)}"
    if not row.entries:
        return [taken, "-", row.verdict(is_judged), "-", "-", "-"]
    worst, at = row.worst()
    return [taken, f"{row.median():.2f}", row.verdict(is_judged), row.short(), f"{worst:.2f}", at]


def table(rows: Rows, other: str, is_judged: bool) -> str:
    """Aims are of GPUs: on a CPU they are shown, and not judged. Points that were not timed are counted with the reason."""
    heads = ["operation", other, "points", "median", "aim of the median", "points short of it", "worst", "at"]
    has_untimed = any(row.untimed for row in rows.values())
    lines = ["| " + " | ".join(heads + ["points not timed"] * has_untimed) + " |", "|---" * (len(heads) + has_untimed) + "|"]
    for (operation, name), row in sorted(rows.items()):
        cells = [operation, name, *cells_of(row, is_judged), *[untimed_text(row)] * has_untimed]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
