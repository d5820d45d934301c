# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, and SIGTERM, which timeout and Slurm send before they kill."""
from __future__ import annotations

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """The first raises KeyboardInterrupt, once: what was timed by then is printed undisturbed."""

    def __init__(self):
        self.came = False

    def catch(self) -> None:
        """Also where a shell that put this program into the background has SIGINT ignored."""
        for number in SIGNALS:
            signal.signal(number, self.end)

    def ignore(self) -> None:
        """By a handler: of two that come at once, Python calls what handles the second after the first has raised."""
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)

    def end(self, *_) -> None:
        self.ignore()
        self.came = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Where a library may have kept the exception to itself."""
        if self.came:
            raise KeyboardInterrupt
