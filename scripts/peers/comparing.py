# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Peers' times over moecal's, as rows of tables."""
from __future__ import annotations

import collections
import typing

from document import own_work
from moe_peers import MoePeer
from observed import Unavailable, kind, point_text
from ratios import ALL_GEMMS, EAGER, OWN_KERNELS, Timed
from running import NotRun, Untimed
from tables import OF_PEER, OF_TORCH_GEMM, Aim, Rows, new_rows

# Of products, which are libraries' and no kernels of moecal's own; grouped ones have theirs beside the fastest of the run.
# moecal's attention is cuDNN's, or where that was not measured unfused: its scores then go through memory, PyTorch's do not,
# and what that costs is shown. Either is no race.
AIMS = {"expert_gemm": OF_TORCH_GEMM, "grouped_gemm": None, "attention": None}
BEST_PEER = "the best peer of each point"


class Held(typing.NamedTuple):
    """A peer's time at an observation, over moecal's."""
    o: dict
    name: str
    what: str  # that it was held against
    ratio: float

    def is_eager(self) -> bool:
        return self.name.endswith(EAGER)

    def aim(self) -> Aim | None:
        return None if self.is_eager() else AIMS.get(self.o["operation"], OF_PEER)


def hold(observations: list[dict], timed: Timed, peers: list, not_run: NotRun) -> list[Held]:
    others, held = {peer.name: peer for peer in peers}, []
    for o, name, took in timed:
        try:
            own, what = own_work(others.get(name.removesuffix(EAGER)), o, observations)
            held.append(Held(o, name, what, took / own))
        except Unavailable as reason:
            not_run.add(f"{name}, {kind(o)}, timed but held against nothing", reason, 1)
    return held


def rows_of_peers(observations: list[dict], held: list[Held]) -> Rows:
    rows, points = new_rows(), count_points(observations)
    for one in held:
        is_gemm = one.o["operation"] == "expert_gemm"
        for what, count in [(one.what, points[kind(one.o)])] + [(ALL_GEMMS, points[ALL_GEMMS])] * is_gemm:
            row = rows[what, one.name]
            row.of, row.aim = count, one.aim()
            row.add(one.ratio, point_text(one.o))
    return rows


def best_peers(observations: list[dict], held: list[Held]) -> Rows:
    """Every point that a peer was timed at: one that is slower, and was timed at fewer, is no reason to leave out where the
    faster one was alone. Own kernels have a row without any, too."""
    rows, points = new_rows(), count_points(observations)
    for o in observations:
        if o["operation"] in OWN_KERNELS:
            rows[kind(o), BEST_PEER].aim = OF_PEER
    at: dict[int, list[Held]] = collections.defaultdict(list)
    for one in held:
        if not one.is_eager():
            at[id(one.o)].append(one)
    for found in at.values():
        best = min(found, key=lambda one: one.ratio)
        row = rows[kind(best.o), BEST_PEER]
        row.of, row.aim = points[kind(best.o)], best.aim()
        row.add(best.ratio, point_text(best.o))
    return rows


def of_several(best: Rows, held: list[Held]) -> Rows:
    """Without kinds of work that one peer alone was timed at, whose own row says the same."""
    names = collections.defaultdict(set)
    for one in held:
        if not one.is_eager():
            names[kind(one.o)].add(one.name)
    return {(what, name): row for (what, name), row in best.items() if len(names[what]) > 1}


def count_points(observations: list[dict]) -> collections.Counter:
    points = collections.Counter(kind(o) for o in observations)
    points[ALL_GEMMS] = sum(o["operation"] == "expert_gemm" for o in observations)
    return points


def add_untimed(rows: Rows, observations: list[dict], untimed: Untimed, peers: list) -> Rows:
    """Points that a peer was not timed at, with the reason, in its row, or in one of their own."""
    moe_peers = {peer.name: peer for peer in peers if isinstance(peer, MoePeer)}
    points = count_points(observations)
    for o, name, reason in untimed:
        what = moe_peers[name].held_against(o) if name in moe_peers else kind(o)
        for title, count in [(what, points[kind(o)])] + [(ALL_GEMMS, points[ALL_GEMMS])] * (o["operation"] == "expert_gemm"):
            row = rows[title, name]
            row.of, row.aim = count, AIMS.get(o["operation"], OF_PEER)
            row.untimed[reason] += 1
    return rows
