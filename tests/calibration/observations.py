# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Observation files of a machine whose costs are known: formulas with a small ripple, no measurements."""
import hashlib
import json
import math

ENVIRONMENT = {"card": "cpu-test", "system": "cpu-test", "device_name": "Test CPU", "host": "", "driver": "",
               "libraries": {}, "settings": {}}


def environment_id():
    text = json.dumps(ENVIRONMENT, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def environment_line():
    return json.dumps({**ENVIRONMENT, "schema": "moecal.environment/1", "environment_id": environment_id()}) + "\n"


def observation(operation, point, seconds, dtype="f32", group=1):
    return {
        "schema": "moecal.observation/1", "run_id": "synthetic", "repetition": 0, "operation": operation,
        "implementation": "own", "backend": "cpu",
        "dtypes": {"a": dtype, "b": dtype, "c": dtype, "accumulate": "f32", "scale_mode": "none", "layout": ""},
        "point": point,
        "work": {"flops": 0.0, "read_bytes": 0.0, "written_bytes": 0.0, "sent_bytes": 0.0, "messages": 0},
        "ranks": {"world": group, "group": group, "placement": "contiguous", "concurrent_groups": 1, "nodes": 1,
                  "tier": "intra"},
        "sample": {"statistic": "raw", "iterations_per_sample": 1, "timer": "steady_clock"},
        "samples_s": [seconds], "flags": {"throttled": [False], "outlier": [False]}, "skew_s": [],
        "outcome": {"kind": "measured", "reason": ""},
        "policy": {"cache": "warm", "graph": "none", "warmup": 1, "order_seed": 1, "stop_rule": "one"},
        "verification": {"max_rel_error": 0.0, "tolerance": 0.0, "method": "none"},
        "library": {"name": "own", "runtime_version": "1.0", "algorithm": "unknown", "workspace_bytes": 0},
        "environment_id": environment_id(), "commit": "abc", "source": {"kind": "measured"},
        "started_at": "2000-01-01T00:00:00Z"}


def ripple(i):
    return math.exp(0.02 * math.sin(2.4 * i))


def all_reduces(group):
    """4 us, 50 GB/s to 64 KiB, 10 GB/s beyond."""
    for i in range(16):
        size = 1024 << i
        seconds = 4e-6 * group + min(size, 65536) / 50e9 + max(size - 65536, 0) / 10e9
        yield observation("all_reduce", {"bytes": size}, seconds * ripple(i), group=group)


def copies():
    for i in range(12):
        size = 4096 << i
        yield observation("memory_copy", {"bytes": size}, (2e-6 + 2 * size / 20e9) * ripple(i))


def gemms():
    """500 GFLOP/s and 20 GB/s, each reached in full."""
    i = 0
    for m in (8, 64, 512):
        for n in (512, 2048):
            for k in (512, 1024, 4096):
                data = 4 * (m * k + k * n + m * n)
                seconds = 1e-6 + max(2 * m * n * k / 500e9, data / 20e9)
                i += 1
                yield observation("expert_gemm", {"m": m, "n": n, "k": k}, seconds * ripple(i))


def overlapped(computing, sending):
    """Seconds of the two at once: nearly as long as the longer."""
    return (computing ** 4 + sending ** 4) ** 0.25


def overlaps(group):
    """A product and an exchange at once, as bench_overlap writes it: the parts' own times are beside it."""
    for m in (64, 256, 1024, 4096):
        for size in (1 << 16, 1 << 18, 1 << 20, 1 << 22):
            computing, sending = m * 1e-6, size * 1e-9
            each = observation("overlap", {"m": m, "n": 512, "k": 512, "bytes": size}, overlapped(computing, sending),
                               group=group)
            yield {**each, "parts_s": {"gemm": [computing], "all_to_all": [sending]}}


def exchanges(group):
    """Rows by a routing: the more go to rank 0, the longer all wait for it."""
    for tokens in (64, 256, 1024, 4096):
        for hot in (1, 2, 3):
            mean = tokens * 2 * 1024 * 4
            received = [hot * mean] + [(group - hot) * mean // (group - 1)] * (group - 2)
            received.append(group * mean - sum(received))
            each = observation("all_to_all_v", {"tokens": tokens, "hidden": 1024, "experts": 8, "top_k": 2},
                               30e-6 + hot * mean / 5e9, group=group)
            routing = {"distribution": "recorded", "seed": 1, "exponent": 1.2, "capacity_factor": 0.0,
                       "loads": [float(hot)] + [1.0] * 7}
            yield {**each, "routing": routing, "exchanged": {"sent_bytes": [mean] * group, "received_bytes": received}}


def write_all(path, all_of_them):
    path.write_text(environment_line() + "".join(json.dumps(each) + "\n" for each in all_of_them))


def write(path):
    skipped = observation("all_reduce", {"bytes": 1 << 30}, 1.0, group=2)
    skipped.update(samples_s=[], flags={"throttled": [], "outlier": []},
                   outcome={"kind": "skipped", "reason": "it would take over 2 s a call"})
    lines = [environment_line()]
    for each in (*all_reduces(2), *all_reduces(4), *copies(), *gemms(), skipped):
        lines.append(json.dumps(each) + "\n")
    path.write_text("".join(lines))
