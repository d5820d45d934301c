# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What moecal measured, as ratios: pure functions of a file of observations and of peers' seconds. Nothing is run here."""
from __future__ import annotations

import bisect
import math
import statistics

from observed import PRODUCTS, Unavailable, is_cold, kind, moved, point_text, same_work, seconds
from tables import OF_BEST, OF_COPY, OF_READING, Rows, new_rows

COPIED = 256 * 2**20  # bytes moved from which a kernel is held against a copy
LOGITS = 32 * 2**20   # bytes of logits from which the gate is held against reading them
SIZES = {"f32": 4, "f16": 2, "bf16": 2, "fp8_e4m3": 1, "fp8_e5m2": 1, "int8": 1, "uint8": 1}
MOVERS = ("permute", "unpermute", "quantize", "swiglu", "topk_gate", "memory_stream")
OF_LIBRARIES = (*PRODUCTS, "attention")  # several of moecal's implementations at a point
AIMED_AT_COPY = ("permute", "unpermute", "quantize", "swiglu")
OWN_KERNELS = (*AIMED_AT_COPY, "topk_gate")
ALL_GEMMS = "expert_gemm, all types"
TWICE_READ = "quantize tensor, both reads counted"
OWN_FASTEST = "moecal's fastest"
CHOICE = "choose_experts"  # the part of topk_gate that reads the logits


class TimesBySize:
    """Seconds by bytes moved, of the fastest implementation. Between two measured sizes they are interpolated linearly: a
    launch takes a time of its own and then its bytes at one rate, of which the rate of both together is no line."""

    def __init__(self, observations: list[dict]):
        self.times: dict[float, float] = {}
        for o in filter(is_cold, observations):
            self.times[moved(o)] = min(self.times.get(moved(o), math.inf), seconds(o))
        self.sizes = sorted(self.times)

    def at(self, size: float) -> float:
        """Past the largest size at its rate, which large copies share. @throws Unavailable below the smallest."""
        if not self.sizes or size < self.sizes[0]:
            raise Unavailable("nothing to compare with was measured at that size, with a cold cache")
        i = bisect.bisect(self.sizes, size)
        low = self.sizes[i - 1]
        if i == len(self.sizes):
            return self.times[low] * size / low
        high = self.sizes[i]
        share = (size - low) / (high - low)
        return self.times[low] * (1 - share) + self.times[high] * share


def copy_times(observations: list[dict]) -> TimesBySize:
    return TimesBySize([o for o in observations if o["operation"] == "memory_copy"])


def read_times(observations: list[dict]) -> TimesBySize:
    return TimesBySize([o for o in observations if o["operation"] == "memory_stream"
                        and (o["point"]["reads"], o["point"]["writes"]) == (1, 0)])


def compare_with_copy(observations: list[dict]) -> Rows:
    """Shares of a copy's rate. A scale for a whole tensor is known after all of it was read: such a quantize has to read
    twice, is counted both ways, and is judged by what it must move."""
    copies, rows = copy_times(observations), new_rows()
    for o in filter(is_cold, observations):
        if o["operation"] not in MOVERS or moved(o) < COPIED:
            continue
        aim = OF_COPY if o["operation"] in AIMED_AT_COPY else None
        counts = {kind(o): moved(o)}
        must_move = moved(o)
        if kind(o) == "quantize tensor":
            must_move += o["work"]["read_bytes"]
            counts[TWICE_READ] = must_move
        for name, size in counts.items():
            try:
                share = copies.at(size) / seconds(o)
            except Unavailable:
                continue
            row = rows[name, o["implementation"]]
            row.aim = aim
            if size < must_move:
                row.ceiling = min(row.ceiling, size / must_move)
            row.add(share, point_text(o))
    return rows


def compare_gate_with_reading(observations: list[dict]) -> Rows:
    """Times of softmax and top-k over the time of reading the logits once. Where an observation has no time of that part, or
    one that may have found its logits in the cache, the whole gate's, which also counts and sorts the choices: then the row
    says so."""
    reads, rows = read_times(observations), new_rows()
    for o in filter(is_cold, observations):
        if o["operation"] != "topk_gate":
            continue
        logits = o["point"]["tokens"] * o["point"]["experts"] * SIZES[o["dtypes"]["a"]]
        if logits < LOGITS:
            continue
        part = o.get("parts_s", {}).get(CHOICE) if o.get("parts_cache", {}).get(CHOICE) == "cold" else None
        try:
            reading = reads.at(logits)
        except Unavailable:
            continue
        what = f"{kind(o)}: scores and top-k" if part else f"{kind(o)}: the whole gate (that part was not timed cold)"
        row = rows[what, o["implementation"]]
        row.aim = OF_READING
        row.add((statistics.median(part) if part else seconds(o)) / reading, point_text(o))
    return rows


def table_seconds(gate: dict) -> float:
    """What a gate takes for its table (counts, offsets, places): all but the scores and the choice. Its parts are small, so a
    cold gate's may have found their choices in the cache: then a peer is held against the faster time.
    @throws Unavailable if its parts were not timed."""
    parts = gate.get("parts_s", {})
    if CHOICE not in parts:
        raise Unavailable("the gate's parts were not timed")
    rest = [statistics.median(times) for name, times in parts.items() if name != CHOICE]
    return sum(rest) if rest else max(0.0, seconds(gate) - statistics.median(parts[CHOICE]))


def gate_of(o: dict, observations: list[dict]) -> dict:
    """A gate of the same tokens, experts and choices. @throws Unavailable if none was timed by parts."""
    names = ("tokens", "experts", "top_k")
    for other in observations:
        if (other["operation"] == "topk_gate" and CHOICE in other.get("parts_s", {})
                and other["policy"]["cache"] == o["policy"]["cache"] and other["backend"] == o["backend"]
                and all(other["point"][name] == o["point"][name] for name in names)):
            return other
    raise Unavailable("no gate of these tokens, experts and choices was timed by its parts")


def once_each(observations: list[dict]) -> list[dict]:
    """Products and attention by their fastest implementation alone, which is what a peer has to be held against; the rest as it is."""
    fastest: dict[str, dict] = {}
    for o in observations:
        if o["operation"] in OF_LIBRARIES:
            best = fastest.setdefault(same_work(o), o)
            fastest[same_work(o)] = min(best, o, key=seconds)
    chosen = {id(o) for o in fastest.values()}
    return [o for o in observations if o["operation"] not in OF_LIBRARIES or id(o) in chosen]


Timed = list[tuple[dict, str, float]]  # an observation, a peer's name, the peer's seconds at it
EAGER = " (eager)"  # ends the name of a peer whose time has Python's dispatch in it: it is in no best


def contenders(observations: list[dict], operation: str, timed: Timed) -> dict[str, tuple[dict, dict[str, float]]]:
    """By piece of work: an observation of it, and seconds by implementation, peers included that were not eager."""
    found: dict[str, tuple[dict, dict[str, float]]] = {}
    for o in observations:
        if o["operation"] == operation:
            found.setdefault(same_work(o), (o, {}))[1][o["implementation"]] = seconds(o)
    for o, peer, took in timed:
        if o["operation"] == operation and not peer.endswith(EAGER):
            found[same_work(o)][1][peer] = took
    return found


def compare_with_best(observations: list[dict], operation: str, timed: Timed) -> Rows:
    """The fastest's time over each one's, at the points that more than one was timed at. The aim is moecal's: that its
    fastest implementation of a point is near the fastest of all."""
    own, rows = {o["implementation"] for o in observations}, new_rows()
    for o, times in contenders(observations, operation, timed).values():
        if len(times) < 2:
            continue
        best = min(times.values())
        for name, took in times.items():
            rows[kind(o), name].add(best / took, point_text(o))
        for what in (kind(o), *[ALL_GEMMS] * (operation == "expert_gemm")):
            row = rows[what, OWN_FASTEST]
            row.aim = None if operation == "attention" else OF_BEST  # unfused where cuDNN was not measured: no race
            row.add(best / min(took for name, took in times.items() if name in own), point_text(o))
    return rows


def side_by_side(observations: list[dict], operation: str, timed: Timed) -> str:
    """One line a point, one column an implementation: microseconds, and the share of the fastest's speed."""
    found = contenders(observations, operation, timed).values()
    names = sorted({name for _, times in found for name in times})
    lines = ["| " + " | ".join(["point, us (share of the fastest)", *names]) + " |", "|---" * (len(names) + 1) + "|"]
    for o, times in found:
        best = min(times.values())
        cells = [f"{1e6 * times[name]:.1f} ({best / times[name]:.2f})" if name in times else "-" for name in names]
        draw = o.get("routing", {}).get("distribution", "")
        lines.append("| " + " | ".join([f"{kind(o)} {point_text(o)} {draw}".strip(), *cells]) + " |")
    return "\n".join(lines)
