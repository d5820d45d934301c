# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Times calls of PyTorch programs as moecal times its own: batches of at least 100 us, buffers rotated where the point is
cold, device events. On a GPU a batch is a replayed CUDA graph, so that Python's dispatch is in no time."""
from __future__ import annotations

import collections
import math
import statistics
import time
import typing

from ratios import Unavailable

BATCH_S = 100e-6
WARM_UP_S = 0.02  # the clocks of a device that waited for Python have fallen
SAMPLES, FEWEST = 9, 3
LONGEST_S = 5  # of a rotation through the sets, and of the samples beyond the fewest
MOST_CALLS = 10**5

Call = typing.Callable[[], object]


class Timer:
    """On one device. After seconds(), is_eager says whether the calls could not be captured."""

    def __init__(self, torch, device: str):
        self.torch, self.on_gpu, self.is_eager = torch, device == "cuda", False

    def seconds(self, sets: list[Call]) -> float:
        """Of one call, over whole rotations through the sets. @throws Unavailable where a rotation takes too long."""
        self.first_calls(sets)
        self.is_eager = False
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

        if not self.on_gpu or self.is_eager:
            return run
        try:
            return self.captured(run)
        except RuntimeError:
            self.torch.cuda.synchronize()
            self.is_eager = True
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
        start, stop = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        stop.record()
        stop.synchronize()
        return start.elapsed_time(stop) * 1e-3
