# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Prints how moecal's measured kernels compare with a copy of the same bytes, with each other, and with peers that are run
here and now on the same work: PyTorch, vLLM, TransformerEngine and SGLang, where they are installed as Python packages.
Each peer that is not run is named, with the reason.

Usage: peers.py OBSERVATIONS.jsonl [--device cuda|cpu] [--seconds S] [--points N] [--command TEXT]

A ratio is the peer's time over moecal's: above 1, moecal is faster. For the copy it is the share of the copy's rate
that a kernel reaches, at 256 MiB moved and more. Each aim is printed beside its median, met or missed.

Peers do the work of the point: its layout, types, scales, and the cast that moecal's kernel has fused. They are run on
uniform data, on as many buffer sets as moecal's point went through where its cache was cold, each set with a routing
draw of its own; in batches of at least 100 us between device events, a batch being a replayed CUDA graph (a row says
"eager" where the peer cannot be captured). Points are taken in turn until the time is up, spread over each kind; the
tables say how many of how many.
"""
from __future__ import annotations

import argparse
import collections
import datetime
import json
import sys
import time

from moe_peers import PEERS, MoePeer
from ratios import (OF_PEER, OF_TORCH_GEMM, Rows, Timed, Unavailable, buffer_sets, compare_gate_with_reading,
                    compare_with_best, compare_with_copy, in_turn, kind, new_rows, point_text, seconds, side_by_side, table)
from timing import Timer
from torch_peer import Torch

TORCH = "PyTorch (torch.mm, torch._scaled_mm, index_select, softmax and topk, silu, ...)"
ALL_GEMMS = "expert_gemm, all types"
EAGER = " (eager)"
BEST_PEER = "the best peer of each point"
# What a peer answers to work that it has not, or has no memory for.
REFUSALS = (Unavailable, RuntimeError, AttributeError, TypeError, ValueError, AssertionError)


class NotRun:
    """Peers that were not run, by reason, with the number of points."""

    def __init__(self):
        self.reasons: dict[tuple[str, str], int] = collections.Counter()

    def add(self, what: str, reason: BaseException, points: int = 0) -> None:
        lines = str(reason).splitlines()
        self.reasons[what, lines[0] if lines else type(reason).__name__] += points

    def text(self) -> str:
        lines = [f"- {what}: {reason}" + (f" ({points} points)" if points else "")
                 for (what, reason), points in sorted(self.reasons.items())]
        return "\n".join(lines) or "None."


def read(path: str) -> tuple[list[dict], list[dict]]:
    environments, observations = [], []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise SystemExit(f"peers.py: {path}:{number}: {error}")
            if record.get("schema") == "moecal.environment/1":
                environments.append(record)
            elif record.get("outcome", {}).get("kind") == "measured" and record["ranks"]["world"] == 1:
                observations.append(record)
    if not observations:
        raise SystemExit(f"peers.py: {path} holds no measured kernel")
    return environments, observations


def available(device: str, not_run: NotRun) -> tuple[Timer | None, list]:
    """The peers that can be run on the device."""
    try:
        import torch  # pylint: disable=import-outside-toplevel
    except (ImportError, OSError) as error:
        for name in [TORCH, *PEERS]:
            not_run.add(name, error)
        return None, []
    if device == "cuda" and not torch.cuda.is_available():
        for name in [TORCH, *PEERS]:
            not_run.add(name, Unavailable("PyTorch sees no CUDA device here"))
        return None, []
    peers = [Torch(torch, device)]
    for name, make in PEERS.items():
        try:
            if device != "cuda":
                raise Unavailable("its kernels are of GPUs")
            peers.append(make(torch, device))
        except (Unavailable, ImportError, OSError, AttributeError, RuntimeError) as error:
            not_run.add(name, error)
    return Timer(torch, device), peers


def run_peers(observations: list[dict], arguments: argparse.Namespace, not_run: NotRun) -> tuple[Timed, list]:
    """Each peer at each point, as far as the time goes."""
    timer, peers = available(arguments.device, not_run)
    deadline, timed = time.monotonic() + arguments.seconds, []
    for o in in_turn(observations, arguments.points) if peers else []:
        for peer in peers:
            if time.monotonic() > deadline:
                return timed, peers
            if not hasattr(peer, "make_" + o["operation"]):
                if not isinstance(peer, MoePeer):
                    not_run.add(f"{peer.name}, {o['operation']}", Unavailable("it has no operators for just that work"), 1)
                continue
            try:
                took = timer.seconds([peer.make(o) for _ in range(buffer_sets(o))])
                timed.append((o, peer.name + EAGER * timer.is_eager, took))
            except REFUSALS as error:
                not_run.add(f"{peer.name}, {kind(o)}", error, 1)
    return timed, peers


def compare_with_peers(observations: list[dict], timed: Timed, peers: list, not_run: NotRun) -> Rows:
    others = {peer.name: peer for peer in peers if isinstance(peer, MoePeer)}
    rows, points = new_rows(), collections.Counter(kind(o) for o in observations)
    ratios_at: dict[int, list[tuple[float, dict]]] = collections.defaultdict(list)
    gemms = sum(o["operation"] == "expert_gemm" for o in observations)
    for o, name, took in timed:
        other = others.get(name.removesuffix(EAGER))
        try:
            own = other.own_seconds(o, observations) if other else seconds(o)
        except Unavailable as reason:
            not_run.add(f"{name}, {kind(o)}, timed but held against nothing", reason, 1)
            continue
        is_gemm = o["operation"] == "expert_gemm"
        held_against = other.held_against(o) if other else kind(o)
        for what, count in [(held_against, points[kind(o)])] + [(ALL_GEMMS, gemms)] * is_gemm:
            row = rows[what, name]
            row.of, row.aim = count, OF_TORCH_GEMM if is_gemm else OF_PEER
            row.add(took / own, point_text(o))
        ratios_at[id(o)].append((took / own, o))
    for found in ratios_at.values():
        if len(found) > 1:
            (ratio, o) = min(found, key=lambda entry: entry[0])
            row = rows[kind(o), BEST_PEER]
            row.of, row.aim = points[kind(o)], OF_PEER
            row.add(ratio, point_text(o))
    return rows


def section(title: str, rows: Rows, other: str, is_judged: bool, otherwise: str) -> None:
    print(f"\n## {title}\n\n{table(rows, other, is_judged) if rows else otherwise}")


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("observations")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=300, help="after which no further point is begun (default 300)")
    parser.add_argument("--points", type=int, default=0,
                        help="points of each kind that peers are run on at most (default: all that the time is enough for)")
    parser.add_argument("--command", default="", help="what was run; goes into the heading")
    return parser.parse_args(words)


def main() -> int:
    arguments = arguments_of()
    environments, observations = read(arguments.observations)
    backend = [o for o in observations if o["backend"] == arguments.device]
    if not backend:
        raise SystemExit(f"peers.py: {arguments.observations} holds no measured kernel of a {arguments.device} backend")
    first, is_judged, not_run = environments[0] if environments else {}, arguments.device == "cuda", NotRun()
    print(f"# Ratios on {first.get('card', 'an unnamed card')} ({first.get('device_name', '')})\n")
    print(f"{datetime.date.today()}, driver {first.get('driver') or 'none'}, moecal {backend[0]['commit']}, "
          f"{len(backend)} points{', `' + arguments.command + '`' if arguments.command else ''}.")
    timed, peers = run_peers(backend, arguments, not_run)
    if peers:
        print(f"Peers were run at {len({id(o) for o, _, _ in timed})} of these points; after {arguments.seconds:g} s no further "
              "one was begun.")
    section("Share of a copy's rate", compare_with_copy(backend), "implementation", is_judged,
            "No kernel was measured at 256 MiB moved, cold, beside a copy: not yet measured.")
    section("Softmax and top-k over one read of the logits", compare_gate_with_reading(backend), "implementation", is_judged,
            "No gate of 32 MiB of logits was measured, cold, beside memory_stream's reads: not yet measured.")
    section("Peers' time over moecal's", compare_with_peers(backend, timed, peers, not_run), "peer", is_judged,
            "No peer was run: not yet measured.")
    for operation in ("expert_gemm", "grouped_gemm"):
        section(f"{operation}: the fastest's time over each one's", compare_with_best(backend, operation, timed),
                "implementation", is_judged, "No point was timed with more than one implementation: not yet measured.")
    if any(o["operation"] == "grouped_gemm" for o in backend):
        print(f"\n## grouped_gemm, implementations side by side\n\n{side_by_side(backend, 'grouped_gemm', timed)}")
    print(f"\n## Peers not run\n\n{not_run.text()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
