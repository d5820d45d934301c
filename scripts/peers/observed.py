# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What an observation says, and what a peer has to know of it to do the same work."""
from __future__ import annotations

import json
import statistics

PRODUCTS = ("expert_gemm", "grouped_gemm")


class Unavailable(Exception):
    """A peer does not do this work, or not here."""


def kept_median(values: list[float], flags: list[bool]) -> float:
    kept = [value for value, flag in zip(values, flags) if not flag]
    return statistics.median(kept or values)


def seconds(o: dict) -> float:
    return kept_median(o["samples_s"], o["flags"]["throttled"])


def moved(o: dict) -> float:
    return o["work"]["read_bytes"] + o["work"]["written_bytes"]


def is_launch_bound(o: dict) -> bool:
    """As core/observation.cpp has it: it could not be held, and its host took about as long as its device."""
    hosts = o.get("host_s")
    return o["sample"].get("timer") == "cuda_event_led" and bool(hosts) and statistics.median(hosts) >= 0.8 * seconds(o)


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
    if o["operation"] == "topk_gate":
        words.append(d["a"])
        if o["implementation"].endswith("_sigmoid"):
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
