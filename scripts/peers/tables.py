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

    def add(self, ratio: float, point: str) -> None:
        self.entries.append((ratio, point))

    def median(self) -> float:
        return statistics.median(ratio for ratio, _ in self.entries)

    def is_out_of_reach(self) -> bool:
        return self.aim is not None and self.ceiling < self.aim.bound

    def verdict(self, is_judged: bool) -> str:
        if self.aim is None:
            return "not judged"
        if self.is_out_of_reach():
            return f"{self.aim.text()}: out of reach, {self.ceiling:.2f} at most"
        return f"{self.aim.text()}: " + (("met" if self.aim.is_met(self.median()) else "missed") if is_judged else "of GPUs")

    def short(self) -> str:
        """How many of the points miss the aim by themselves."""
        return "-" if self.aim is None or self.is_out_of_reach() else str(sum(not self.aim.is_met(ratio) for ratio, _ in self.entries))

    def worst(self) -> tuple[float, str]:
        pick = max if self.aim is not None and self.aim.at_most else min
        return pick(self.entries, key=lambda entry: entry[0])


Rows = dict[tuple[str, str], Row]


def new_rows() -> Rows:
    return collections.defaultdict(Row)


def table(rows: Rows, other: str, is_judged: bool) -> str:
    """Aims are of GPUs: on a CPU they are shown, and not judged."""
    lines = [f"| operation | {other} | points | median | aim of the median | points short of it | worst | at |",
             "|---|---|---|---|---|---|---|---|"]
    for (operation, name), row in sorted(rows.items()):
        worst, at = row.worst()
        taken = f"{len(row.entries)} of {max(row.of, len(row.entries))}"
        cells = [operation, name, taken, f"{row.median():.2f}", row.verdict(is_judged), row.short(), f"{worst:.2f}", at]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
