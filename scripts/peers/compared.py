# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What a file of observations and the peers' times come to, as rows."""
from __future__ import annotations

import dataclasses

import promised
from comparing import add_untimed, best_peers, hold, of_several, rows_of_peers
from promised import Points, add_missing
from ratios import Timed, compare_gate_with_reading, compare_with_best, compare_with_copy, once_each
from running import Runner
from tables import Rows

LIBRARIES = ("expert_gemm", "grouped_gemm", "attention")


@dataclasses.dataclass
class Compared:
    """Each promised aim has a row in its own."""
    copied: Rows = dataclasses.field(default_factory=dict)
    read_once: Rows = dataclasses.field(default_factory=dict)
    of_peers: Rows = dataclasses.field(default_factory=dict)  # with the best of several
    best_peers: Rows = dataclasses.field(default_factory=dict)  # of one too, or of none
    fastest: dict[str, Rows] = dataclasses.field(default_factory=dict)  # by operation


def without_peers(points: Points) -> Compared:
    copied, read_once = compare_with_copy(points.measured), compare_gate_with_reading(points.measured)
    add_missing(copied, promised.COPIED, points, "not at 256 MiB moved and more, cold, beside a copy")
    add_missing(read_once, promised.READ, points, "not of 32 MiB of logits and more, cold, beside memory_stream's reads")
    return Compared(copied, read_once)


def add_peers(compared: Compared, points: Points, runner: Runner, timed: Timed) -> Compared:
    chosen = once_each(points.measured)
    held, once = hold(chosen, timed, runner.peers, runner.not_run), Points(chosen, points.unmeasured)
    compared.best_peers = best_peers(chosen, held)
    compared.of_peers = rows_of_peers(chosen, held)
    compared.of_peers.update(of_several(compared.best_peers, held))
    add_untimed(compared.of_peers, chosen, runner.untimed, runner.peers)
    add_missing(compared.of_peers, promised.RACED, once, "no peer was timed at it")
    add_missing(compared.best_peers, promised.OWN, once, "no peer was timed at it")
    for operation in LIBRARIES:
        rows = compared.fastest[operation] = compare_with_best(points.measured, operation, timed)
        if operation in promised.FASTEST:
            aim = {operation: promised.FASTEST[operation]}
            add_missing(rows, aim, once, "timed with one implementation only")
    return compared
