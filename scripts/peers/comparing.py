# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Peers' times over moecal's, as rows of tables."""
from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable, Iterator

from document import own_work
from moe_peers import MoePeer
from observed import Unavailable, kind, point_text
from ratios import ALL_GEMMS, EAGER, Timed
from running import NotRun, Untimed
from tables import OF_PEER, OF_TORCH_GEMM, Rows, new_rows

# Of products, which are libraries' and no kernels of moecal's own; grouped ones have theirs beside the fastest of the run.
# moecal's attention is cuDNN's, or where that was not measured unfused: its scores then go through memory, PyTorch's do not,
# and what that costs is shown. Either is no race.
AIMS = {"expert_gemm": OF_TORCH_GEMM, "grouped_gemm": None, "attention": None}
BEST_PEER = "the best peer of each point"
Contender = tuple[str, float, dict]  # a peer's name, its ratio at an observation


def compare_with_peers(observations: list[dict], timed: Timed, peers: list, not_run: NotRun) -> Rows:
    others = {peer.name: peer for peer in peers}
    rows, points = new_rows(), collections.Counter(kind(o) for o in observations)
    ratios_at: dict[int, list[Contender]] = collections.defaultdict(list)
    gemms = sum(o["operation"] == "expert_gemm" for o in observations)
    for o, name, took in timed:
        try:
            own, held_against = own_work(others.get(name.removesuffix(EAGER)), o, observations)
        except Unavailable as reason:
            not_run.add(f"{name}, {kind(o)}, timed but held against nothing", reason, 1)
            continue
        is_gemm = o["operation"] == "expert_gemm"
        aim = None if name.endswith(EAGER) else AIMS.get(o["operation"], OF_PEER)
        for what, count in [(held_against, points[kind(o)])] + [(ALL_GEMMS, gemms)] * is_gemm:
            row = rows[what, name]
            row.of, row.aim = count, aim
            row.add(took / own, point_text(o))
        if not name.endswith(EAGER):
            ratios_at[id(o)].append((name, took / own, o))
    for o, ratio in best_of_each_point(ratios_at.values()):
        row = rows[kind(o), BEST_PEER]
        row.of, row.aim = points[kind(o)], AIMS.get(o["operation"], OF_PEER)
        row.add(ratio, point_text(o))
    return rows


def best_of_each_point(points: Iterable[list[Contender]]) -> Iterator[tuple[dict, float]]:
    """Every point that a peer was timed at, of kinds of work that several were: one that is slower, and was timed at fewer,
    is no reason to leave out where the faster one was alone."""
    found = list(points)
    peers_of = collections.defaultdict(set)
    for name, _, o in itertools.chain.from_iterable(found):
        peers_of[kind(o)].add(name)
    for contenders in found:
        _, ratio, o = min(contenders, key=lambda contender: contender[1])
        if len(peers_of[kind(o)]) > 1:
            yield o, ratio


def add_untimed(rows: Rows, observations: list[dict], untimed: Untimed, peers: list) -> Rows:
    """Points that a peer was not timed at, with the reason, in its row, or in one of their own."""
    moe_peers = {peer.name: peer for peer in peers if isinstance(peer, MoePeer)}
    points = collections.Counter(kind(o) for o in observations)
    gemms = sum(o["operation"] == "expert_gemm" for o in observations)
    for o, name, reason in untimed:
        what = moe_peers[name].held_against(o) if name in moe_peers else kind(o)
        for title, count in [(what, points[kind(o)])] + [(ALL_GEMMS, gemms)] * (o["operation"] == "expert_gemm"):
            row = rows[title, name]
            row.of, row.aim = count, AIMS.get(o["operation"], OF_PEER)
            row.untimed[reason] += 1
    return rows
