# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Times calls of PyTorch programs as moecal times its own: batches of at least 100 us, buffers rotated where the point is
cold, device events. On a GPU a batch is a replayed CUDA graph, so that Python's dispatch is in no time."""
import math
import statistics
import time
import typing

BATCH_S = 100e-6
WARM_UP_S = 0.02  # the clocks of a device that waited for Python have fallen
SAMPLES = 9
MOST_CALLS = 10**5

Call = typing.Callable[[], object]


class Timer:
    """On one device. After seconds(), is_eager says whether the calls could not be captured."""

    def __init__(self, torch, device: str):
        self.torch, self.on_gpu, self.is_eager = torch, device == "cuda", False

    def seconds(self, sets: list[Call]) -> float:
        """Of one call, over whole rotations through the sets."""
        for call in sets:  # libraries load and allocate at their first call
            call()
        self.is_eager = False
        rotations = 1
        while True:
            run = self.batch(sets, rotations)
            self.elapsed(run)
            took = min(self.elapsed(run) for _ in range(2))
            calls = rotations * len(sets)
            if took >= BATCH_S or 2 * calls > MOST_CALLS:
                break
            enough = math.ceil(1.5 * rotations * BATCH_S / max(took, 1e-7))
            rotations = max(rotations + 1, min(enough, MOST_CALLS // len(sets)))
        spent = 0.0
        while spent < WARM_UP_S:
            spent += self.elapsed(run)
        return statistics.median(self.elapsed(run) for _ in range(SAMPLES)) / calls

    def batch(self, sets: list[Call], rotations: int) -> Call:
        def run():
            for _ in range(rotations):
                for call in sets:
                    call()

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
