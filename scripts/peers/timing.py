# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Times calls of PyTorch programs as moecal times its own: batches that are long beside their events, held until they are
enqueued (held.py), buffers rotated where the point is cold, a device that is warm."""
from __future__ import annotations

import math
import statistics
import time

from held import Call, EagerBatches, HeldBatches, HostBatches, NotHeld, Rotation
from observed import Unavailable

BATCH_S = 0.25e-3  # as of moecal's own on a device
DEVICE_WARM_UP_S = 3  # of products, once: as long as moecal keeps a device busy before its first trial
WARM_UP_S = 0.02  # of the point: the clocks of a device that waited for Python have fallen
SAMPLES, FEWEST = 9, 3
LONGEST_S = 5  # of a rotation through the sets, and of the samples beyond the fewest
MOST_CALLS = 10**5


class Timer:
    """On one device. After seconds(), method says how its calls were timed, and why_eager, of eager ones, why not held."""

    def __init__(self, torch, device: str):
        self.torch, self.on_gpu, self.method, self.why_eager = torch, device == "cuda", "", ""

    def warm_device(self) -> None:
        if not self.on_gpu:
            return
        one, other = (self.torch.rand((8192, 8192), device="cuda").to(self.torch.bfloat16) for _ in range(2))
        start = time.perf_counter()
        while time.perf_counter() - start < DEVICE_WARM_UP_S:
            self.torch.mm(one, other)
            self.torch.cuda.synchronize()

    def seconds(self, sets: list[Call]) -> float:
        """Of one call. All samples are of one method. @throws Unavailable where a rotation takes too long."""
        self.why_eager = ""
        self.first_calls(sets)
        fewest, rotation = -(-len(sets) // SAMPLES), Rotation(sets)  # so that the samples go through every set
        if not self.on_gpu:
            return self.sampled(HostBatches(rotation), fewest)
        try:
            return self.sampled(HeldBatches(rotation, self.torch.cuda), fewest)
        except NotHeld as reason:
            self.why_eager = str(reason)
            return self.sampled(EagerBatches(rotation, self.torch.cuda), fewest)

    def first_calls(self, sets: list[Call]) -> None:
        """Libraries load and allocate at them, and the very first may compile: that is no part of a rotation."""
        self.finish(sets[0])
        start = time.perf_counter()
        for call in sets[1:]:
            self.finish(call)
            if time.perf_counter() - start > LONGEST_S:
                raise Unavailable(f"a rotation through its {len(sets)} buffer sets takes longer than {LONGEST_S} s")

    def finish(self, call: Call) -> None:
        call()
        if self.on_gpu:
            self.torch.cuda.synchronize()

    def sampled(self, batches: HostBatches, fewest: int) -> float:
        self.method = batches.method
        calls = enough_calls(batches, fewest)
        spent = 0.0
        while spent < WARM_UP_S:
            spent += batches.unheld(calls)
        return statistics.median(samples(batches, calls)) / calls


def enough_calls(batches: HostBatches, fewest: int) -> int:
    calls = fewest
    while calls < MOST_CALLS:
        took = batches.seconds(calls)
        if took >= BATCH_S:
            break
        calls = math.ceil(calls * min(max(1.2 * BATCH_S / max(took, 1e-9), 1.5), 100))
    return min(calls, MOST_CALLS)


def samples(batches: HostBatches, calls: int) -> list[float]:
    taken: list[float] = []
    while len(taken) < FEWEST or (len(taken) < SAMPLES and sum(taken) < LONGEST_S):
        taken.append(batches.seconds(calls))
    return taken
