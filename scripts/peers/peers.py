# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Prints how moecal's measured kernels compare with a copy of the same bytes, with each other, and with peers that are run
here and now on the same work: PyTorch, operator by operator and by torch.compile, vLLM, TransformerEngine, SGLang and DeepGEMM,
where this python3 has them or --peer-path says where they were built. Each peer that is not run is named, with the reason.

Usage: peers.py OBSERVATIONS.jsonl [--device cuda|cpu] [--seconds S] [--compile-seconds S] [--points N]
                [--peer-path DIR]... [--command TEXT]

A ratio is the peer's time over moecal's: above 1, moecal is faster. For the copy it is the share of the copy's rate
that a kernel reaches, at 256 MiB moved and more. Each aim is printed beside its median, met or missed.

Peers do the work of the point: its layout, types, scales, and the cast that moecal's kernel has fused. They are run on
uniform data, on as many buffer sets as moecal's point went through where its cache was cold, each set with a routing
draw of its own; in batches of at least 1 ms between device events, a batch being a replayed CUDA graph, behind a kernel
that holds the stream until it is submitted. Where a peer cannot be captured its row says "eager", has Python's dispatch in
its time, and is in no best and no fastest. Results beyond the card's nominal figures are left out and named, as moecal's
own are. Compiling is in no time. Products and attention are held against moecal's fastest
implementation of the point. Points are taken in turn until the time is up, spread over each kind; the tables say how many
of how many. Ctrl-C ends the peers, and prints what they took by then (exit status 130).
"""
from __future__ import annotations

import argparse
import collections
import datetime
import json
import os
import sys

import releases
from limits import without_impossible
from moe_peers import MoePeer
from observed import Unavailable, is_launch_bound, kind, point_text, seconds
from ratios import EAGER, Timed, compare_gate_with_reading, compare_with_best, compare_with_copy, once_each, side_by_side
from running import NotRun, run_peers
from tables import OF_PEER, OF_TORCH_GEMM, Rows, new_rows, table

ALL_GEMMS = "expert_gemm, all types"
INTERRUPTED = 130
FIELDS = ("operation", "implementation", "backend", "point", "dtypes", "policy", "sample", "samples_s", "flags", "work", "ranks",
          "commit")
# Of products, which are libraries' and no kernels of moecal's own; grouped ones have theirs beside the fastest of the run.
# moecal's attention is cuDNN's, or where that was not measured unfused: its scores then go through memory, PyTorch's do not,
# and what that costs is shown. Either is no race.
AIMS = {"expert_gemm": OF_TORCH_GEMM, "grouped_gemm": None, "attention": None}
BEST_PEER = "the best peer of each point"


def records_of(path: str) -> list[dict]:
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"peers.py: {path} cannot be read: {getattr(error, 'strerror', None) or error}")
    return [record_of(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]


def record_of(line: str, place: str) -> dict:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise SystemExit(f"peers.py: {place}: {error}")
    if not isinstance(record, dict):
        raise SystemExit(f"peers.py: {place}: a record is an object")
    if is_measured(record):
        missing = [field for field in FIELDS if field not in record]
        if missing:
            raise SystemExit(f"peers.py: {place}: a measured observation has {', '.join(missing)}")
    return record


def is_measured(record: dict) -> bool:
    outcome = record.get("outcome")
    return isinstance(outcome, dict) and outcome.get("kind") == "measured"


def read(path: str) -> tuple[list[dict], list[dict]]:
    """The environments and the kernels measured in them. @throws SystemExit with file, line and field."""
    records = records_of(path)
    environments = [record for record in records if record.get("schema") == "moecal.environment/1"]
    observations = [record for record in records if is_measured(record) and record["ranks"].get("world") == 1]
    if not observations:
        raise SystemExit(f"peers.py: {path} holds no measured kernel")
    return environments, observations


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
        aim = None if name.endswith(EAGER) else AIMS.get(o["operation"], OF_PEER)
        held_against = other.held_against(o) if other else kind(o)
        for what, count in [(held_against, points[kind(o)])] + [(ALL_GEMMS, gemms)] * is_gemm:
            row = rows[what, name]
            row.of, row.aim = count, aim
            row.add(took / own, point_text(o))
        if not name.endswith(EAGER):
            ratios_at[id(o)].append((took / own, o))
    for found in ratios_at.values():
        if len(found) > 1:
            (ratio, o) = min(found, key=lambda entry: entry[0])
            row = rows[kind(o), BEST_PEER]
            row.of, row.aim = points[kind(o)], AIMS.get(o["operation"], OF_PEER)
            row.add(ratio, point_text(o))
    return rows


def section(title: str, rows: Rows, other: str, is_judged: bool, otherwise: str) -> None:
    print(f"\n## {title}\n\n{table(rows, other, is_judged) if rows else otherwise}")


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("observations")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=300, help="after which no further point is begun (default 300)")
    parser.add_argument("--compile-seconds", type=float, default=300,
                        help="the same for torch.compile, which is run after the others (default 300; 0: not at all)")
    parser.add_argument("--peer-path", metavar="DIR", action="append", default=[],
                        help="a folder with a package that you have built: DIR/vllm, DIR/transformer_engine or DIR/sgl_kernel, "
                             "each with its __init__.py; before this python3's own; may be given again")
    parser.add_argument("--points", type=int, default=0,
                        help="points of each kind that peers are run on at most (default: all that the time is enough for)")
    parser.add_argument("--command", default="", help="what was run; goes into the heading")
    return parser.parse_args(words, argparse.Namespace(is_interrupted=False))


def use_peer_paths(folders: list[str]) -> None:
    """The first one given is looked into first."""
    packages = ("vllm", "transformer_engine", "sgl_kernel", "torch")
    for folder in folders:
        if not any(os.path.exists(os.path.join(folder, package, "__init__.py")) for package in packages):
            raise SystemExit(f"peers.py: --peer-path {folder}: it holds none of {', '.join(packages)} with its __init__.py; name "
                             "the folder that such a package lies in")
    sys.path[:0] = [os.path.abspath(folder) for folder in folders]


def main() -> int:
    arguments = arguments_of()
    use_peer_paths(arguments.peer_path)
    environments, observations = read(arguments.observations)
    backend = [o for o in observations if o["backend"] == arguments.device]
    if not backend:
        raise SystemExit(f"peers.py: {arguments.observations} holds no measured kernel of a {arguments.device} backend")
    first, is_judged, not_run = environments[0] if environments else {}, arguments.device == "cuda", NotRun()
    print(f"# Ratios on {first.get('card', 'an unnamed card')} ({first.get('device_name', '')})\n")
    print(f"{datetime.date.today()}, driver {first.get('driver') or 'none'}, moecal {backend[0]['commit']}, "
          f"{len(backend)} points{', `' + arguments.command + '`' if arguments.command else ''}.")
    launch_bound = [f"{o['operation']} {point_text(o)}" for o in backend if is_launch_bound(o)]
    if launch_bound:
        print(f"{len(launch_bound)} points of moecal could not be held until they were enqueued, and took what their host did: "
              f"{'; '.join(launch_bound)}.")
    points = once_each(backend)
    timed, peers = run_peers(points, arguments, not_run)
    if is_judged:
        timed = without_impossible(timed, first.get("card", ""), not_run)
    if peers:
        print(f"Peers were run at {len({id(o) for o, _, _ in timed})} of {len(points)} of these points; after "
              f"{arguments.seconds:g} s ({arguments.compile_seconds:g} s with torch.compile) no further one was begun.")
    print(releases.text(backend, sys.modules.get("torch")))
    section("Share of a copy's rate", compare_with_copy(backend), "implementation", is_judged,
            "No kernel was measured at 256 MiB moved, cold, beside a copy: not yet measured.")
    section("Softmax and top-k over one read of the logits", compare_gate_with_reading(backend), "implementation", is_judged,
            "No gate of 32 MiB of logits was measured, cold, beside memory_stream's reads: not yet measured.")
    section("Peers' time over moecal's", compare_with_peers(points, timed, peers, not_run), "peer", is_judged,
            "No peer was run: not yet measured.")
    for operation in ("expert_gemm", "grouped_gemm", "attention"):
        section(f"{operation}: the fastest's time over each one's", compare_with_best(backend, operation, timed),
                "implementation", is_judged, "No point was timed with more than one implementation: not yet measured.")
    for operation in ("grouped_gemm", "attention"):
        if any(o["operation"] == operation for o in backend):
            print(f"\n## {operation}, implementations side by side\n\n{side_by_side(backend, operation, timed)}")
    print(f"\n## Peers not run, or in no best\n\n{not_run.text()}")
    return INTERRUPTED if arguments.is_interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
