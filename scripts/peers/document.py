# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What the comparison writes as it goes: whatever ends the program, what was finished by then is on disk."""
from __future__ import annotations

import csv
import datetime
import io
import os
import pathlib
import sys

from limits import Limits
from moe_peers import MoePeer
from observed import Unavailable, kind, point_text, seconds


class Appended:
    """A file that text is added to, and that is whole after every addition. The first failure is said, and the rest is left."""

    def __init__(self, path: str | pathlib.Path | None):
        self.path, self.has_failed = path, False

    def add(self, text: str) -> None:
        if self.path is None or self.has_failed:
            return
        try:
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as error:
            self.has_failed = True
            print(f"peers.py: {self.path} cannot be written: {error.strerror or error}; is the disk full?", file=sys.stderr)

    def is_empty(self) -> bool:
        return self.path is None or not os.path.exists(self.path) or os.path.getsize(self.path) == 0


class Document(Appended):
    """Printed, and kept in a file."""

    def say(self, text: str) -> None:
        print(text, flush=True)
        self.add(text + "\n")


def own_work(peer, o: dict, observations: list[dict]) -> tuple[float, str]:
    """What a peer's time at a point is held against: seconds of moecal's, and of what they are.
    @throws Unavailable where the run did not time that."""
    if isinstance(peer, MoePeer):
        return peer.own_seconds(o, observations), peer.held_against(o)
    return seconds(o), kind(o)


class PeerTimes(Appended):
    """One line for a peer's time at a point, when it was taken."""

    HEAD = ("taken", "peer", "method", "work", "point", "peer_s", "own_s", "ratio", "left_out")

    def __init__(self, path: pathlib.Path | None, observations: list[dict], limits: Limits | None):
        super().__init__(path)
        self.observations, self.limits = observations, limits

    def keep(self, peer, o: dict, method: str, took: float) -> None:
        left_out = self.limits.why_impossible(o, took) if self.limits else ""
        own, ratio, work = "", "", kind(o)
        try:
            own, work = own_work(peer, o, self.observations)
            ratio = f"{took / own:.6g}"
            own = f"{own:.9g}"
        except Unavailable as reason:
            left_out = left_out or str(reason)
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self.add_row(now, peer.name, method, work, point_text(o), f"{took:.9g}", own, ratio, left_out)

    def add_row(self, *cells: str) -> None:
        line = io.StringIO()
        writer = csv.writer(line, lineterminator="\n")
        if self.is_empty():
            writer.writerow(self.HEAD)
        writer.writerow(cells)
        self.add(line.getvalue())
