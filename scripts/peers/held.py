# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of calls, as moecal's clocks time its own launches (bench/cuda_event_clock.cpp): on a GPU a stream's launches
between two events, behind a kernel that holds the stream until Python has enqueued all of them. So neither Python's dispatch
nor the gap of a launch that came late is in a time. No call is captured in a CUDA graph: a graph's kernels follow each other
faster than a stream's, and moecal's own are a stream's."""
from __future__ import annotations

import collections
import itertools
import time
import typing

MOST_HELD = 400  # calls behind a hold, of moecal's kMostHeld: far beyond, the host waits for the device's queue
SHORTEST_HOLD_S, LONGEST_HOLD_S = 50e-6, 0.1
MARGIN = 2  # a hold over what the host took to enqueue as many calls before
TRIES, LONGER = 4, 4  # for a host that was kept from its work
CYCLES_PER_S = 2e9  # about every card's highest clock: at a lower one a hold is longer than was asked for

Call = typing.Callable[[], object]


class NotHeld(Exception):
    """Why no hold lasts until a call is enqueued."""


class Rotation:
    """Calls on the sets in turn, which goes on from batch to batch: between two calls on a set all others are used.
    Results are kept for a rotation: memory that is given back would be written again at once, while it is cached."""

    def __init__(self, sets: list[Call]):
        self.turn = itertools.cycle(sets)
        self.kept = collections.deque(maxlen=len(sets) if len(sets) > 1 else 0)

    def run(self, calls: int) -> None:
        for call in itertools.islice(self.turn, calls):
            self.kept.append(call())


class HostBatches:
    """Of calls that are done when they return."""

    method = "host clock"

    def __init__(self, rotation: Rotation):
        self.rotation = rotation

    def unheld(self, calls: int) -> float:
        start = time.perf_counter()
        self.rotation.run(calls)
        return time.perf_counter() - start

    def seconds(self, calls: int) -> float:
        return self.unheld(calls)


class EagerBatches(HostBatches):
    """Of a device that begins with the first call while Python dispatches the next: of calls that cannot be held."""

    method = "eager"

    def __init__(self, rotation: Rotation, cuda):
        super().__init__(rotation)
        self.cuda = cuda

    def unheld(self, calls: int) -> float:
        return self.between_events(calls)[0]

    def between_events(self, calls: int, hold_s: float = 0) -> tuple[float, float, bool]:
        """Seconds of the device, seconds of the host to enqueue the calls, and whether the device began only after that:
        the first event, which is behind the hold, has then not happened yet."""
        start, stop = (self.cuda.Event(enable_timing=True) for _ in range(2))
        if hold_s:
            self.cuda._sleep(int(CYCLES_PER_S * hold_s))  # pylint: disable=protected-access
        start.record()
        host_start = time.perf_counter()
        self.rotation.run(calls)
        enqueued_s = time.perf_counter() - host_start
        stop.record()
        was_held = not start.query()
        stop.synchronize()
        return start.elapsed_time(stop) * 1e-3, enqueued_s, was_held


class HeldBatches(EagerBatches):
    """Longer batches than fit behind a hold are held piece by piece, and their times added.
    The constructor, and seconds(), raise NotHeld."""

    method = "held"

    def __init__(self, rotation: Rotation, cuda):
        super().__init__(rotation, cuda)
        _, self.enqueue_s, _ = self.between_events(1)
        if MARGIN * self.enqueue_s > LONGEST_HOLD_S:
            raise NotHeld(f"a call takes Python {self.enqueue_s:.2g} s, and a hold may last {LONGEST_HOLD_S:g} s")
        self.most = MOST_HELD
        if self.held(1) is None:
            raise NotHeld("a call waits for the device: it returned only when the hold was over")

    def seconds(self, calls: int) -> float:
        took, left = 0.0, calls
        while left > 0:
            count = min(left, self.most, max(1, int(LONGEST_HOLD_S / MARGIN / max(self.enqueue_s, 1e-9))))
            piece = self.held(count)
            if piece is None:
                self.shorten(count)
            else:
                took, left = took + piece, left - count
        return took

    def held(self, calls: int) -> float | None:
        """Nothing where no hold was long enough."""
        hold_s = max(SHORTEST_HOLD_S, MARGIN * calls * self.enqueue_s)
        for _ in range(TRIES):
            took, enqueued_s, was_held = self.between_events(calls, min(hold_s, LONGEST_HOLD_S))
            if was_held:
                self.enqueue_s = enqueued_s / calls
                return took
            if hold_s >= LONGEST_HOLD_S:
                break
            hold_s *= LONGER
        return None

    def shorten(self, calls: int) -> None:
        """Calls of many kernels fill the device's queue: then the host waits for it before all are enqueued."""
        if calls == 1:
            raise NotHeld("not every call is enqueued before its hold is over")
        self.most = calls // 2
