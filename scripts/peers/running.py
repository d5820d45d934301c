# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the peers that are here at the points of a file, and keeps why another one was not run."""
from __future__ import annotations

import argparse
import collections
import time

from interrupts import Interrupts
from moe_peers import PEERS
from observed import Unavailable, buffer_sets, kind, seconds
from ratios import EAGER, Timed
from timing import Timer
from torch_peer import Compiled, Torch

TORCH = "PyTorch (torch.mm, torch._scaled_mm, torch._grouped_mm, index_select, softmax and topk, silu, ...)"
COMPILED = "PyTorch's torch.compile (permute, unpermute, quantize, swiglu, topk_gate)"
LONGEST_REASON = 240


class NotRun:
    """Peers that were not run, by reason, with the number of points."""

    def __init__(self):
        self.reasons: dict[tuple[str, str], int] = collections.Counter()

    def add(self, what: str, reason: BaseException, points: int = 0) -> None:
        self.reasons[what, one_line(reason)] += points

    def text(self) -> str:
        lines = [f"- {what}: {reason}" + (f" ({points} points)" if points else "")
                 for (what, reason), points in sorted(self.reasons.items())]
        return "\n".join(lines) or "None."


def one_line(reason: BaseException) -> str:
    """What an error says first, without the stack that compilers append."""
    lines = [line.strip() for line in str(reason).splitlines() if line.strip()]
    if not lines:
        return type(reason).__name__
    said = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return said if len(said) <= LONGEST_REASON else said[:LONGEST_REASON] + " ..."


def pytorch(device: str):
    """The module, which every peer needs. @throws Unavailable"""
    try:
        import torch  # pylint: disable=import-outside-toplevel
    except (ImportError, OSError) as error:
        raise Unavailable(f"this python3 has no PyTorch ({one_line(error)}): measure_card.sh takes another one's name from "
                          "MOECAL_PYTHON") from error
    if device == "cuda" and not torch.cuda.is_available():
        raise Unavailable(f"PyTorch {torch.__version__} sees no CUDA device here")
    return torch


def available(arguments: argparse.Namespace, not_run: NotRun) -> tuple[Timer | None, list]:
    """The peers that can be run on the device."""
    makers, device = {TORCH: Torch, COMPILED: Compiled, **PEERS}, arguments.device
    try:
        torch = pytorch(device)
    except Unavailable as error:
        for name in makers:
            not_run.add(name, error)
        return None, []
    peers = []
    for name, make in makers.items():
        try:
            if make is not Compiled and arguments.seconds <= 0:
                raise Unavailable("not asked for (--seconds 0)")
            if device != "cuda" and name in PEERS:
                raise Unavailable("its kernels are of GPUs")
            if make is Compiled and arguments.compile_seconds <= 0:
                raise Unavailable("not asked for (--compile-seconds 0)")
            peers.append(make(torch, device))
        except Exception as error:  # whatever it is, the others are run  # pylint: disable=broad-except
            not_run.add(name, error)
    return Timer(torch, device), peers


Untimed = list[tuple[dict, str, str]]  # an observation, a peer's name, why it was not timed there


class Runner:
    """Collects what peers took at points. keep(peer, o, method, seconds) is told at once."""

    def __init__(self, interrupts: Interrupts, keep=lambda *_: None):
        self.interrupts, self.keep, self.not_run = interrupts, keep, NotRun()
        self.timer: Timer | None = None
        self.peers: list = []
        self.timed: Timed = []
        self.untimed: Untimed = []
        self.seen: set[tuple[int, str]] = set()

    def warm_device(self) -> None:
        try:
            self.timer.warm_device()
        except Exception as error:  # peers may run all the same  # pylint: disable=broad-except
            self.not_run.add("products that warm the device up", error)

    def run(self, peers: list, points: list[dict], seconds: float) -> None:
        """After so many seconds no further one is begun."""
        deadline = time.monotonic() + seconds
        for o in points:
            for peer in peers:
                self.interrupts.check()
                if not peer.does(o["operation"]):
                    self.name_gap(peer, o)
                elif time.monotonic() > deadline:
                    self.leave(peer, o, Unavailable(f"the {seconds:g} s that peers share were over"))
                else:
                    self.run_one(peer, o)

    def name_gap(self, peer, o: dict) -> None:
        if peer.names_gaps:
            self.not_run.add(f"{peer.name}, {o['operation']}", Unavailable("it has no operators for just that work"), 1)

    def leave(self, peer, o: dict, reason: BaseException) -> None:
        self.seen.add((id(o), peer.name))
        self.untimed.append((o, peer.name, one_line(reason)))
        self.not_run.add(f"{peer.name}, {kind(o)}", reason, 1)

    def leave_rest(self, points: list[dict], reason: BaseException) -> None:
        for o in points:
            for peer in self.peers:
                if peer.does(o["operation"]) and (id(o), peer.name) not in self.seen:
                    self.leave(peer, o, reason)

    def run_one(self, peer, o: dict) -> None:
        try:
            took = self.timer.seconds([peer.make(o) for _ in range(buffer_sets(o))])
        except Exception as error:  # compilers raise anything; the next point is run  # pylint: disable=broad-except
            self.leave(peer, o, error)
            return
        self.seen.add((id(o), peer.name))
        why_eager = self.timer.why_eager
        self.timed.append((o, peer.name + EAGER * bool(why_eager), took))
        if why_eager:
            reason = Unavailable(f"timed with Python's dispatch, and so in no best: {why_eager}")
            self.not_run.add(f"{peer.name}, {kind(o)}", reason, 1)
        self.keep(peer, o, self.timer.method, took)


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


def run_peers(observations: list[dict], arguments: argparse.Namespace, runner: Runner) -> None:
    """Each peer at each point, as far as the time goes; what has to be compiled first has a time of its own. Ctrl-C and
    SIGTERM end it, and what was timed by then stays."""
    points = in_turn(observations, arguments.points)
    try:
        runner.timer, runner.peers = available(arguments, runner.not_run)
        if runner.peers:
            runner.warm_device()
        runner.run([peer for peer in runner.peers if not isinstance(peer, Compiled)], points, arguments.seconds)
        runner.run([peer for peer in runner.peers if isinstance(peer, Compiled)], points, arguments.compile_seconds)
    except KeyboardInterrupt:
        arguments.is_interrupted = True
        interrupted = Unavailable("interrupted before it was their turn")
        runner.not_run.add("all peers", interrupted)
        runner.leave_rest(points, interrupted)
