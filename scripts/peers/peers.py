# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Prints how moecal's measured kernels compare with a copy of the same bytes, with each other, and with peers that are run
here and now on the same work: PyTorch, operator by operator and by torch.compile, vLLM, TransformerEngine, SGLang and DeepGEMM,
where this python3 has them or --peer-path says where they were built. Each peer that is not run is named, with the reason.

Usage: peers.py OBSERVATIONS.jsonl [--device cuda|cpu] [--seconds S] [--compile-seconds S] [--points N]
                [--peer-path DIR]... [--command TEXT] [--out FILE]

A ratio is the peer's time over moecal's: above 1, moecal is faster. For the copy it is the share of the copy's rate
that a kernel reaches, at 256 MiB moved and more. Each aim is printed beside its median, met or missed.

Peers do the work of the point: its layout, types, scales, and the cast that moecal's kernel has fused. They are run on
uniform data, on as many buffer sets in turn as moecal's point went through where its cache was cold, each set with a routing
draw of its own. They are timed as moecal's own launches are: batches of 0.25 ms and more between device events, behind a
kernel that holds the stream until Python has enqueued them; no call is captured in a CUDA graph. Where a peer's calls cannot
be held (one that waits for the device, say) its row says "eager", has Python's dispatch in its time, and is in no best and no
fastest. Results beyond the card's nominal figures are left out and named, as moecal's own are. Compiling is in no time.
Products and attention are held against moecal's fastest implementation of the point. Points are taken in turn until the time
is up, spread over each kind; the tables say how many of how many, and why not the others. Ctrl-C and SIGTERM end the peers,
and the tables are of what they took by then (exit status 130). --out adds the tables to a file, each when it is finished, and
a line for every time of a peer, when it is taken, to a file of the same name that ends in .csv.
"""
from __future__ import annotations

import argparse
import json
import pathlib
import sys

import compared
import promised
import readme
import releases
import sections
from document import Document, PeerTimes
from interrupts import Interrupts
from limits import Limits, limits_of, without_impossible
from observed import Unavailable
from peer_paths import NAMES, use_peer_paths
from promised import Points
from ratios import once_each
from running import Runner, run_peers

INTERRUPTED = 130
FIELDS = ("operation", "implementation", "backend", "point", "dtypes", "policy", "sample", "samples_s", "flags", "work", "ranks",
          "commit")


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
    return promised.outcome_of(record) == "measured"


def read(path: str, device: str) -> tuple[list[dict], Points]:
    """The environments, and the kernels of the device's backend. @throws SystemExit with file, line and field."""
    records = records_of(path)
    environments = [record for record in records if record.get("schema") == "moecal.environment/1"]
    observations = [record for record in records if is_measured(record) and record["ranks"].get("world") == 1]
    if not observations:
        raise SystemExit(f"peers.py: {path} holds no measured kernel")
    backend = [o for o in observations if o["backend"] == device]
    if not backend:
        raise SystemExit(f"peers.py: {path} holds no measured kernel of a {device} backend")
    others = promised.unmeasured([record for record in records if record.get("backend") == device])
    return environments, Points(backend, others)


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("observations")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=180,
                        help="after which no further point is begun (default 180; 0: none is)")
    parser.add_argument("--compile-seconds", type=float, default=120,
                        help="the same for torch.compile, which is run after the others (default 120; 0: not at all)")
    parser.add_argument("--peer-path", metavar="DIR", action="append", default=[],
                        help=f"a folder with a package that you have built ({NAMES}, with its __init__.py), before this "
                             "python3's own; may be given again")
    parser.add_argument("--points", type=int, default=0,
                        help="points of each kind that peers are run on at most (default: all that the time is enough for)")
    parser.add_argument("--command", default="", help="what was run; goes into the heading")
    parser.add_argument("--out", metavar="FILE", type=pathlib.Path,
                        help="add the tables to it, each when it is finished, and peers' times to its name with .csv for .md")
    arguments = parser.parse_args(words, argparse.Namespace(is_interrupted=False))
    if arguments.out and arguments.out.suffix == ".csv":
        parser.error(f"--out {arguments.out}: the tables are Markdown; the name with .csv is for peers' times")
    return arguments


def limits_or_none(card: str) -> Limits | None:
    try:
        return limits_of(card)
    except Unavailable:
        return None  # without_impossible() says why


def main(interrupts: Interrupts) -> int:
    arguments = arguments_of()
    use_peer_paths(arguments.peer_path)
    environments, points = read(arguments.observations, arguments.device)
    first, is_judged = environments[0] if environments else {}, arguments.device == "cuda"
    card, chosen, document = first.get("card", ""), once_each(points.measured), Document(arguments.out)
    found = compared.without_peers(points)
    document.say(sections.heading(first, points.measured, arguments.command))
    for text in sections.without_peers(found, points, is_judged):
        document.say(text)
    times = PeerTimes(arguments.out and arguments.out.with_suffix(".csv"), chosen, limits_or_none(card) if is_judged else None)
    if arguments.out:
        document.say(f"\nEach time of a peer is in {times.path.name} as soon as it is taken.")
    runner = Runner(interrupts, times.keep)
    run_peers(chosen, arguments, runner)
    interrupts.ignore()  # the tables are made to the end
    timed = without_impossible(runner.timed, card, runner.not_run) if is_judged else runner.timed
    if runner.peers:
        document.say(f"\nPeers were run at {len({id(o) for o, _, _ in timed})} of {len(chosen)} of these points; after "
                     f"{arguments.seconds:g} s ({arguments.compile_seconds:g} s with torch.compile) no further one was begun."
                     + sections.METHOD * is_judged)
    if both := releases.text(points.measured, sys.modules.get("torch")):
        document.say(f"\n{both}")
    compared.add_peers(found, points, runner, timed)
    for text in sections.of_peers(found, points.measured, timed, is_judged):
        document.say(text)
    document.say(f"\n## Peers not run, or in no best\n\n{runner.not_run.text()}")
    document.say(readme.section(found, sections.run_text(first, points.measured, arguments.command), is_judged))
    if document.has_failed or times.has_failed:
        return 1
    return INTERRUPTED if arguments.is_interrupted else 0


def guarded() -> int:
    interrupts = Interrupts()
    interrupts.catch()
    try:
        return main(interrupts)
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(guarded())
