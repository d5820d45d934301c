# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of the document that the comparison prints."""
from __future__ import annotations

import datetime

import layers
from compared import LIBRARIES, Compared
from observed import is_launch_bound, point_text
from promised import Points
from ratios import Timed, side_by_side
from tables import Rows, table

METHOD = (" Their calls are timed as moecal's launches are: a stream's, held until they are enqueued, in no CUDA graph (moecal's "
          "cublaslt_streams is one). What could not be held is marked eager, and has Python's dispatch in its time.")


def section(title: str, rows: Rows, other: str, is_judged: bool) -> str:
    said = table(rows, other, is_judged) if rows else "No point was timed with more than one implementation: not yet measured."
    return f"\n## {title}\n\n{said}"


def run_text(first: dict, observations: list[dict], command: str) -> str:
    return (f"{datetime.date.today()}, driver {first.get('driver') or 'none'}, moecal {observations[0]['commit']}, "
            f"{len(observations)} points{', `' + command + '`' if command else ''}.")


def heading(first: dict, observations: list[dict], command: str) -> str:
    said = (f"# Ratios on {first.get('card', 'an unnamed card')} ({first.get('device_name', '')})\n\n"
            + run_text(first, observations, command))
    launch_bound = [f"{o['operation']} {point_text(o)}" for o in observations if is_launch_bound(o)]
    if launch_bound:
        said += (f"\n{len(launch_bound)} points of moecal could not be held until they were enqueued, and took what their host "
                 f"did: {'; '.join(launch_bound)}.")
    return said


def without_peers(compared: Compared, points: Points, is_judged: bool) -> list[str]:
    return [section("Share of a copy's rate", compared.copied, "implementation", is_judged),
            section("Softmax and top-k over one read of the logits", compared.read_once, "implementation", is_judged),
            layers.section(points)]


def of_peers(compared: Compared, observations: list[dict], timed: Timed, is_judged: bool) -> list[str]:
    said = [section("Peers' time over moecal's", compared.of_peers, "peer", is_judged)]
    for operation in LIBRARIES:
        title = f"{operation}: the fastest's time over each one's"
        said.append(section(title, compared.fastest[operation], "implementation", is_judged))
    for operation in ("grouped_gemm", "attention"):
        if any(o["operation"] == operation for o in observations):
            said.append(f"\n## {operation}, implementations side by side\n\n{side_by_side(observations, operation, timed)}")
    return said
