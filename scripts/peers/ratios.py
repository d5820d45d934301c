# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What moecal measured, as ratios: pure functions of a file of observations and of peers' seconds. Nothing is run here."""
from __future__ import annotations

import bisect
import collections
import dataclasses
import json
import math
import statistics

COPIED = 256 * 2**20  # bytes moved from which a kernel is held against a copy
LOGITS = 32 * 2**20   # bytes of logits from which the gate is held against reading them
SIZES = {"f32": 4, "f16": 2, "bf16": 2, "fp8_e4m3": 1, "fp8_e5m2": 1, "int8": 1, "uint8": 1}
MOVERS = ("permute", "unpermute", "quantize", "swiglu", "topk_gate", "memory_stream")
PRODUCTS = ("expert_gemm", "grouped_gemm")
OF_LIBRARIES = (*PRODUCTS, "attention")  # several of moecal's implementations at a point
CHOICE = "choose_experts"  # the part of topk_gate that reads the logits


class Unavailable(Exception):
    """A peer does not do this work, or not here."""


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
AIMED_AT_COPY = ("permute", "unpermute", "quantize", "swiglu")


@dataclasses.dataclass
class Row:
    """Ratios of one operation to one other thing, with the point that each is of."""
    aim: Aim | None = None
    of: int = 0  # points there are; 0: as many as there are ratios
    entries: list[tuple[float, str]] = dataclasses.field(default_factory=list)

    def add(self, ratio: float, point: str) -> None:
        self.entries.append((ratio, point))

    def median(self) -> float:
        return statistics.median(ratio for ratio, _ in self.entries)

    def verdict(self, is_judged: bool) -> str:
        if self.aim is None:
            return "not judged"
        return f"{self.aim.text()}: " + (("met" if self.aim.is_met(self.median()) else "missed") if is_judged else "of GPUs")

    def short(self) -> str:
        """How many of the points miss the aim by themselves."""
        return "-" if self.aim is None else str(sum(not self.aim.is_met(ratio) for ratio, _ in self.entries))

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


# What an observation says.

def kept_median(values: list[float], flags: list[bool]) -> float:
    kept = [value for value, flag in zip(values, flags) if not flag]
    return statistics.median(kept or values)


def seconds(o: dict) -> float:
    return kept_median(o["samples_s"], o["flags"]["throttled"])


def moved(o: dict) -> float:
    return o["work"]["read_bytes"] + o["work"]["written_bytes"]


def is_cold(o: dict) -> bool:
    return o["policy"]["cache"] == "cold"


def capacity_factor(o: dict) -> float:
    return o.get("routing", {}).get("capacity_factor", 0)


def kind(o: dict) -> str:
    """The operation, and what makes its work another one: types, scales, layout, scores, a capacity."""
    d, words = o["dtypes"], [o["operation"]]
    if o["operation"] in PRODUCTS:
        words.append(d["a"] if d["a"] == d.get("b") else f"{d['a']} x {d.get('b', '')}")
    if d.get("scale_mode") not in ("", "none", None):
        words.append(d["scale_mode"])
    if d.get("layout") not in ("", "TN", None):
        words.append(d["layout"])
    if o["operation"] in ("permute", "swiglu") and d["c"] != d["a"]:
        words.append(f"to {d['c']}")
    if o["operation"] == "topk_gate" and o["implementation"].endswith("_sigmoid"):
        words.append("sigmoid")
    if capacity_factor(o):
        words.append("with a capacity")
    if o["operation"] == "memory_stream":
        p = o["point"]
        words.append({(1, 0): "read", (0, 1): "write", (2, 1): "triad"}.get((p["reads"], p["writes"]), ""))
    return " ".join(filter(None, words))


def point_text(o: dict) -> str:
    numbers = " ".join(f"{name}={value}" for name, value in o["point"].items())
    return f"{numbers} {o['dtypes']['a']} {o['policy']['cache']}"


def same_work(o: dict) -> str:
    """Equal where two observations are of one piece of work, by whatever implementation."""
    return json.dumps([o["operation"], o["point"], o["dtypes"], o.get("routing"), o["policy"]["cache"]], sort_keys=True)


def buffer_sets(o: dict) -> int:
    """How many sets of operands a peer goes through: as many as moecal's launches did."""
    if not is_cold(o):
        return 1
    sets = o["sample"].get("buffer_sets", 0)
    if sets < 1:  # one, where a set is so large that nothing of it stays in the cache
        raise Unavailable("the record does not say how many buffer sets its cold cache took")
    return sets


def stored_shapes(point: dict, layout: str) -> tuple[tuple[int, int, bool], tuple[int, int, bool]]:
    """(rows, columns, is used transposed) of both operands of C [m, n] = A B as they lie in memory. layout: TN (or
    none: forward, A [m, k], B stored [n, k]), NN (dgrad, B stored [k, n]), NT (wgrad, A stored [k, m] too), TT."""
    m, n, k = point["m"], point["n"], point["k"]
    weights, tokens = layout or "TN"
    return ((k, m, True) if tokens == "T" else (m, k, False), (k, n, False) if weights == "N" else (n, k, True))


class Rate:
    """Bytes per second by bytes moved, of the fastest implementation, interpolated between measured sizes."""

    def __init__(self, observations: list[dict]):
        rates: dict[float, float] = {}
        for o in filter(is_cold, observations):
            rates[moved(o)] = max(rates.get(moved(o), 0), moved(o) / seconds(o))
        self.sizes = sorted(rates)
        self.rates = [rates[size] for size in self.sizes]

    def at(self, size: float) -> float:
        """Past the largest size its rate, which large copies share. @throws Unavailable below the smallest."""
        if not self.sizes or size < self.sizes[0]:
            raise Unavailable("nothing to compare with was measured at that size, with a cold cache")
        i = bisect.bisect(self.sizes, size)
        if i == len(self.sizes):
            return self.rates[-1]
        low, high = self.sizes[i - 1], self.sizes[i]
        share = math.log(size / low) / math.log(high / low)
        return self.rates[i - 1] * (1 - share) + self.rates[i] * share


def copy_rate(observations: list[dict]) -> Rate:
    return Rate([o for o in observations if o["operation"] == "memory_copy"])


def read_rate(observations: list[dict]) -> Rate:
    return Rate([o for o in observations if o["operation"] == "memory_stream"
                 and (o["point"]["reads"], o["point"]["writes"]) == (1, 0)])


def compare_with_copy(observations: list[dict]) -> Rows:
    """Shares of a copy's rate. A scale for a whole tensor is known after all of it was read: such a quantize reads twice
    by design, and is counted both ways."""
    rate, rows = copy_rate(observations), new_rows()
    for o in filter(is_cold, observations):
        if o["operation"] not in MOVERS or moved(o) < COPIED:
            continue
        aim = OF_COPY if o["operation"] in AIMED_AT_COPY else None
        counts = {kind(o): moved(o)}
        if kind(o) == "quantize tensor":
            counts["quantize tensor, both reads counted"] = moved(o) + o["work"]["read_bytes"]
        for name, size in counts.items():
            try:
                share = size / seconds(o) / rate.at(size)
            except Unavailable:
                continue
            row = rows[name, o["implementation"]]
            row.aim = aim
            row.add(share, point_text(o))
    return rows


def compare_gate_with_reading(observations: list[dict]) -> Rows:
    """Times of softmax and top-k over the time of reading the logits once. Where an observation has no time of that part, or
    one that may have found its logits in the cache, the whole gate's, which also counts and sorts the choices: then the row
    says so."""
    rate, rows = read_rate(observations), new_rows()
    for o in filter(is_cold, observations):
        if o["operation"] != "topk_gate":
            continue
        logits = o["point"]["tokens"] * o["point"]["experts"] * SIZES[o["dtypes"]["a"]]
        if logits < LOGITS:
            continue
        part = o.get("parts_s", {}).get(CHOICE) if o.get("parts_cache", {}).get(CHOICE) == "cold" else None
        try:
            reading = logits / rate.at(logits)
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


def contenders(observations: list[dict], operation: str, timed: Timed) -> dict[str, tuple[dict, dict[str, float]]]:
    """By piece of work: an observation of it, and seconds by implementation, peers included."""
    found: dict[str, tuple[dict, dict[str, float]]] = {}
    for o in observations:
        if o["operation"] == operation:
            found.setdefault(same_work(o), (o, {}))[1][o["implementation"]] = seconds(o)
    for o, peer, took in timed:
        if o["operation"] == operation:
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
        row = rows[kind(o), "moecal's fastest"]
        row.aim = OF_BEST
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


def spread(count: int) -> list[int]:
    """0..count-1 so that every beginning of the list is spread over all: first the middle, then the quarters, ..."""
    order, seen = [], set()
    parts = 1
    while len(order) < count:
        parts *= 2
        for odd in range(1, parts, 2):
            index = count * odd // parts
            if index < count and index not in seen:
                seen.add(index)
                order.append(index)
        if parts > 2 * count:
            order += [index for index in range(count) if index not in seen]
    return order


def in_turn(observations: list[dict], most: int = 0) -> list[dict]:
    """The points that peers are run on, kinds in turn and each kind spread over its times: wherever time runs out, what was
    taken stands for all. most: of each kind, at most so many (0: all)."""
    groups = collections.defaultdict(list)
    for o in observations:
        groups[kind(o)].append(o)
    queues = []
    for group in groups.values():
        group.sort(key=seconds)
        queues.append([group[index] for index in spread(len(group))][:most or None])
    longest = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]
