# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Times calls of PyTorch programs as moecal times its own: batches that are long beside their events, buffers rotated where
the point is cold, a device that is warm. On a GPU a batch is a replayed CUDA graph, so that Python's dispatch is in no time,
and the stream is held until the graph is submitted, so that the submission is in none either."""
from __future__ import annotations

import collections
import math
import statistics
import time
import typing

from observed import Unavailable

BATCH_S = 1e-3
DEVICE_WARM_UP_S = 3  # of products, once: as long as moecal keeps a device busy before its first trial
WARM_UP_S = 0.02  # of the point: the clocks of a device that waited for Python have fallen
HOLD_S, LONGEST_HOLD_S = 200e-6, 0.1
CYCLES_PER_S = 2e9  # about every card's highest clock: at a lower one a hold is longer than was asked for
SAMPLES, FEWEST = 9, 3
LONGEST_S = 5  # of a rotation through the sets, and of the samples beyond the fewest
MOST_CALLS = 10**5

Call = typing.Callable[[], object]


class Timer:
    """On one device. After seconds(), why_eager says why the calls could not be captured; it is empty where they were."""

    def __init__(self, torch, device: str):
        self.torch, self.on_gpu, self.why_eager, self.hold_s = torch, device == "cuda", "", HOLD_S

    def warm_device(self) -> None:
        if not self.on_gpu:
            return
        one, other = (self.torch.rand((8192, 8192), device="cuda").to(self.torch.bfloat16) for _ in range(2))
        start = time.perf_counter()
        while time.perf_counter() - start < DEVICE_WARM_UP_S:
            self.torch.mm(one, other)
            self.torch.cuda.synchronize()

    def seconds(self, sets: list[Call]) -> float:
        """Of one call, over whole rotations through the sets. @throws Unavailable where a rotation takes too long, or the
        memory is not enough to capture it."""
        self.first_calls(sets)
        self.why_eager, self.hold_s = "", HOLD_S
        rotations = 1
        while True:
            run = self.batch(sets, rotations)
            self.elapsed(run)
            took = self.elapsed(run)
            if took >= BATCH_S or 2 * rotations * len(sets) > MOST_CALLS:
                break
            enough = math.ceil(1.5 * rotations * BATCH_S / max(took, 1e-7))
            rotations = max(rotations + 1, min(enough, MOST_CALLS // len(sets)))
        spent = took
        while spent < WARM_UP_S:
            spent += self.elapsed(run)
        return statistics.median(self.samples(run)) / (rotations * len(sets))

    def first_calls(self, sets: list[Call]) -> None:
        """Libraries load and allocate at them."""
        start = time.perf_counter()
        for call in sets:
            call()
            if self.on_gpu:
                self.torch.cuda.synchronize()
            if time.perf_counter() - start > LONGEST_S:
                raise Unavailable(f"a rotation through its {len(sets)} buffer sets takes longer than {LONGEST_S} s")

    def samples(self, run: Call) -> list[float]:
        taken: list[float] = []
        while len(taken) < FEWEST or (len(taken) < SAMPLES and sum(taken) < LONGEST_S):
            taken.append(self.elapsed(run))
        return taken

    def batch(self, sets: list[Call], rotations: int) -> Call:
        """Results are kept for a rotation: memory that is given back would be written again at once, while it is cached."""
        def run():
            kept = collections.deque(maxlen=len(sets) if len(sets) > 1 else 0)
            for _ in range(rotations):
                for call in sets:
                    kept.append(call())

        if not self.on_gpu or self.why_eager:
            return run
        try:
            return self.captured(run)
        except RuntimeError as error:
            self.torch.cuda.synchronize()
            if is_out_of_memory(error):
                self.torch.cuda.empty_cache()
                raise Unavailable(f"there is no memory to capture {len(sets)} buffer sets: {error}") from error
            self.why_eager = str(error) or type(error).__name__
            return run

    def captured(self, run: Call) -> Call:
        graph = self.torch.cuda.CUDAGraph()
        self.torch.cuda.synchronize()
        with self.torch.cuda.graph(graph):
            run()
        return graph.replay

    def elapsed(self, run: Call) -> float:
        if not self.on_gpu:
            start = time.perf_counter()
            run()
            return time.perf_counter() - start
        if self.why_eager:
            return self.between_events(run)[0]
        while self.hold_s <= LONGEST_HOLD_S:
            took, was_held = self.between_events(run, self.hold_s)
            if was_held:
                return took
            self.hold_s *= 4
        raise Unavailable(f"its graph is not submitted in {LONGEST_HOLD_S} s, which would be in its time")

    def between_events(self, run: Call, hold_s: float = 0) -> tuple[float, bool]:
        """Seconds of the device, and whether it began only when all was submitted: where nothing is under way, the first
        event happens at once, and what the host then takes to submit the rest lies between the two."""
        start, stop = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        if hold_s:
            self.torch.cuda._sleep(int(CYCLES_PER_S * hold_s))  # pylint: disable=protected-access
        start.record()
        run()
        stop.record()
        was_held = not start.query()
        stop.synchronize()
        return start.elapsed_time(stop) * 1e-3, was_held


def is_out_of_memory(error: RuntimeError) -> bool:
    """PyTorch's own, CUDA's and cuBLAS's: with less beside it the same call could be captured."""
    return any(word in str(error).lower() for word in ("out of memory", "alloc_failed"))
