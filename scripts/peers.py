# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Prints how moecal's measured kernels compare with a copy of the same bytes, and with peers that are run here and now
on the same shapes: PyTorch where it is installed. Each peer that is not run is named, with the reason.

Usage: peers.py OBSERVATIONS.jsonl [--device cuda|cpu] [--points N] [--command TEXT]

A ratio is the peer's time over moecal's: above 1, moecal is faster. For the copy it is the share of the copy's rate
that a kernel reaches, at 256 MiB moved and more. Peers are run on uniform data, on buffers rotated over twice the
last-level cache where moecal's point is cold, and timed as it is: batches of at least 100 us, device events on a GPU.
"""
import argparse
import bisect
import collections
import datetime
import json
import math
import statistics
import sys
import time

COPIED = 256 * 2**20  # bytes moved from which a kernel is held against a copy
BATCH_S = 100e-6
SAMPLES = 9
NOT_AUTOMATED = {
    "vLLM moe_permute": "its kernels are built from its source beside the project; not automated here",
    "TransformerEngine permute": "built from its source beside the project; not automated here",
    "SGLang moe_align_block_size": "built from its source beside the project; not automated here",
}


def seconds(observation: dict) -> float:
    samples, throttled = observation["samples_s"], observation["flags"]["throttled"]
    kept = [s for s, flag in zip(samples, throttled) if not flag] if throttled else []
    return statistics.median(kept or samples)


def moved(observation: dict) -> float:
    return observation["work"]["read_bytes"] + observation["work"]["written_bytes"]


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


class CopyRate:
    """Bytes per second of memory_copy by bytes moved, between the measured sizes by interpolation."""

    def __init__(self, observations: list[dict]):
        copies = {moved(o): moved(o) / seconds(o) for o in observations
                  if o["operation"] == "memory_copy" and o["policy"]["cache"] == "cold"}
        self.sizes, self.rates = sorted(copies), [copies[size] for size in sorted(copies)]

    def at(self, size: float) -> float | None:
        if not self.sizes:
            return None
        i = bisect.bisect(self.sizes, size)
        if i in (0, len(self.sizes)):
            return self.rates[min(i, len(self.rates) - 1)]
        low, high = self.sizes[i - 1], self.sizes[i]
        share = math.log(size / low) / math.log(high / low)
        return self.rates[i - 1] * (1 - share) + self.rates[i] * share


def point_text(observation: dict) -> str:
    numbers = " ".join(f"{name}={value}" for name, value in observation["point"].items())
    return f"{numbers} {observation['dtypes']['a']} {observation['policy']['cache']}"


def table(rows: dict, unit: str) -> None:
    print(f"| operation | {unit} | points | median | least | at |\n|---|---|---|---|---|---|")
    for (operation, peer), ratios in sorted(rows.items()):
        least = min(ratios, key=lambda entry: entry[0])
        print(f"| {operation} | {peer} | {len(ratios)} | {statistics.median(r for r, _ in ratios):.2f} | {least[0]:.2f} "
              f"| {least[1]} |")


class Unavailable(Exception):
    """A peer has no such operation here."""


class Torch:
    """The same work by PyTorch's own operators."""

    def __init__(self, device: str):
        import torch  # pylint: disable=import-outside-toplevel

        self.torch, self.device = torch, torch.device(device)
        if device == "cuda" and not torch.cuda.is_available():
            raise Unavailable("PyTorch is installed without a CUDA device")
        self.cache = torch.cuda.get_device_properties(0).L2_cache_size if device == "cuda" else 64 * 2**20

    def dtype(self, word: str):
        names = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "fp8_e4m3": "float8_e4m3fn",
                 "fp8_e5m2": "float8_e5m2", "int8": "int8", "uint8": "uint8"}
        if not hasattr(self.torch, names.get(word, "?")):
            raise Unavailable(f"PyTorch has no type {word}")
        return getattr(self.torch, names[word])

    def uniform(self, shape: tuple, word: str):
        values = self.torch.rand(shape, device=self.device) * 2 - 1
        return (values * 63).to(self.dtype(word)) if word == "int8" else values.to(self.dtype(word))

    def make(self, o: dict):
        make = getattr(self, "make_" + o["operation"], None)
        if make is None:
            raise Unavailable(f"PyTorch has no single counterpart of {o['operation']}")
        return make(o["point"], o["dtypes"])

    def make_memory_copy(self, p: dict, _):
        source = self.torch.randint(0, 255, (p["bytes"],), dtype=self.torch.uint8, device=self.device)
        target = self.torch.empty_like(source)
        return lambda: target.copy_(source)

    def make_expert_gemm(self, p: dict, d: dict):
        a, b = self.uniform((p["m"], p["k"]), d["a"]), self.uniform((p["n"], p["k"]), d["b"] or d["a"])
        if d["a"].startswith("fp8"):
            if d["scale_mode"] not in ("", "none", "tensor"):
                raise Unavailable(f"scale mode {d['scale_mode']} is not run with PyTorch here")
            one = self.torch.ones((), device=self.device)
            out = self.dtype(d["c"])
            return lambda: self.torch._scaled_mm(a, b.t(), scale_a=one, scale_b=one, out_dtype=out)
        if d["a"] == "int8":
            return lambda: self.torch._int_mm(a, b.t())
        if d["a"] != d["c"]:
            raise Unavailable("torch.mm returns the type of its operands")
        c = self.torch.empty((p["m"], p["n"]), dtype=a.dtype, device=self.device)
        return lambda: self.torch.mm(a, b.t(), out=c)

    def routing(self, p: dict):
        scores = self.torch.rand((p["tokens"], p["experts"]), device=self.device)
        experts = scores.topk(p["top_k"], dim=1).indices
        order = experts.flatten().argsort(stable=True)  # rows by expert, then token
        row_of = self.torch.empty_like(order)
        row_of[order] = self.torch.arange(order.numel(), device=self.device)
        return order, row_of

    def make_permute(self, p: dict, d: dict):
        order, _ = self.routing(p)
        token_of, tokens = order // p["top_k"], self.uniform((p["tokens"], p["hidden"]), d["a"])
        if d["a"].startswith("fp8"):
            tokens = tokens.view(self.torch.uint8)
        rows = self.torch.empty((order.numel(), p["hidden"]), dtype=tokens.dtype, device=self.device)
        return lambda: self.torch.index_select(tokens, 0, token_of, out=rows)

    def make_unpermute(self, p: dict, d: dict):
        _, row_of = self.routing(p)
        rows = self.uniform((row_of.numel(), p["hidden"]), d["a"])
        weights = self.torch.rand((p["tokens"], 1, p["top_k"]), device=self.device).to(rows.dtype)
        return lambda: weights @ rows.index_select(0, row_of).view(p["tokens"], p["top_k"], p["hidden"])

    def make_topk_gate(self, p: dict, d: dict):
        logits = self.uniform((p["tokens"], p["experts"]), d["a"])

        def gate():
            _, experts = self.torch.softmax(logits, 1, dtype=self.torch.float32).topk(p["top_k"], dim=1)
            flat = experts.flatten()
            counts = self.torch.bincount(flat, minlength=p["experts"])
            return flat.argsort(stable=True), counts.cumsum(0)

        return gate

    def make_swiglu(self, p: dict, d: dict):
        width = p.get("hidden", p.get("inter", p.get("columns", 0)))
        gate, up = self.uniform((p.get("tokens", p.get("rows", 0)), 2 * width), d["a"]).chunk(2, dim=1)
        return lambda: self.torch.nn.functional.silu(gate) * up

    def timed(self, call) -> float:
        if self.device.type == "cpu":
            start = time.perf_counter()
            call()
            return time.perf_counter() - start
        start, stop = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        stop.record()
        stop.synchronize()
        return start.elapsed_time(stop) * 1e-3

    def seconds(self, o: dict) -> float:
        bytes_of_a_set = max(1.0, moved(o))
        cold = o["policy"]["cache"] == "cold"
        sets = [self.make(o) for _ in range(min(64, max(2, math.ceil(2 * self.cache / bytes_of_a_set))) if cold else 1)]
        launches, number = 1, 0

        def batch():
            nonlocal number
            for _ in range(launches):
                sets[number % len(sets)]()
                number += 1

        self.timed(batch)
        while self.timed(batch) < BATCH_S and launches < 10**5:
            launches *= 2
        return statistics.median(self.timed(batch) / launches for _ in range(SAMPLES))


def chosen(observations: list[dict], most: int) -> list[dict]:
    """Of each operation and type, at most so many points, evenly over their times."""
    groups = collections.defaultdict(list)
    for o in observations:
        groups[o["operation"], o["dtypes"]["a"]].append(o)
    picked = []
    for group in groups.values():
        group.sort(key=seconds)
        step = max(1, math.ceil(len(group) / most))
        picked += group[step // 2::step]
    return picked


def compare_with_copy(observations: list[dict]) -> None:
    rate, rows = CopyRate(observations), collections.defaultdict(list)
    for o in observations:
        if o["operation"] in ("memory_copy", "expert_gemm") or moved(o) < COPIED or o["policy"]["cache"] != "cold":
            continue
        if copied := rate.at(moved(o)):
            rows[o["operation"], o["implementation"]].append((moved(o) / seconds(o) / copied, point_text(o)))
    print("\n## Share of a copy's rate\n")
    if rows:
        table(rows, "implementation")
    else:
        print("No kernel was measured at 256 MiB moved, cold, beside a copy: not yet measured.")


def compare_with_torch(observations: list[dict], device: str, most: int, not_run: dict) -> None:
    try:
        torch = Torch(device)
    except ImportError:
        not_run["PyTorch (torch.mm, torch._scaled_mm, index_select, softmax + topk, silu)"] = "it is not installed here"
        return
    except Unavailable as reason:
        not_run["PyTorch"] = str(reason)
        return
    rows = collections.defaultdict(list)
    for o in chosen(observations, most):
        try:
            rows[o["operation"], f"PyTorch {torch.torch.__version__}"].append((torch.seconds(o) / seconds(o), point_text(o)))
        except (Unavailable, RuntimeError, AttributeError, TypeError, NotImplementedError) as reason:
            not_run.setdefault(f"PyTorch, {o['operation']} {o['dtypes']['a']}", str(reason).splitlines()[0])
    if rows:
        print("\n## Peers' time over moecal's\n")
        table(rows, "peer")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("observations")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--points", type=int, default=8, help="points of each operation and type that peers are run on")
    parser.add_argument("--command", default="", help="what was run; goes into the heading")
    arguments = parser.parse_args()
    environments, observations = read(arguments.observations)
    backend = [o for o in observations if o["backend"] == arguments.device]
    if not backend:
        raise SystemExit(f"peers.py: {arguments.observations} holds no measured kernel of a {arguments.device} backend")
    first = environments[0] if environments else {}
    print(f"# Ratios on {first.get('card', 'an unnamed card')} ({first.get('device_name', '')})\n")
    print(f"{datetime.date.today()}, driver {first.get('driver') or 'none'}, moecal {backend[0]['commit']}, "
          f"{len(backend)} points{', `' + arguments.command + '`' if arguments.command else ''}.")
    not_run: dict[str, str] = {}
    compare_with_copy(backend)
    compare_with_torch(backend, arguments.device, arguments.points, not_run)
    print("\n## Peers not run\n")
    for peer, reason in (not_run | NOT_AUTOMATED).items():
        print(f"- {peer}: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
