# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Operations that an aim is held to: each has a row, also where nothing of it could be held to the aim, with the reason."""
from __future__ import annotations

import json
import re
import typing

from ratios import AIMED_AT_COPY, OWN_KERNELS
from tables import OF_BEST, OF_COPY, OF_PEER, OF_READING, OF_TORCH_GEMM, Aim, Rows

Promises = dict[str, Aim]  # by operation
COPIED: Promises = {operation: OF_COPY for operation in AIMED_AT_COPY}
READ: Promises = {"topk_gate": OF_READING}
OWN: Promises = {operation: OF_PEER for operation in OWN_KERNELS}
RACED: Promises = OWN | {"expert_gemm": OF_TORCH_GEMM}
FASTEST: Promises = {"expert_gemm": OF_BEST, "grouped_gemm": OF_BEST}
NOBODY = "-"


class Points(typing.NamedTuple):
    """Of one backend in a file: observations, and records of points that ended otherwise."""
    measured: list[dict]
    unmeasured: list[dict]


def outcome_of(record: dict) -> str:
    outcome = record.get("outcome")
    return outcome.get("kind", "") if isinstance(outcome, dict) else ""


def unmeasured(records: list[dict]) -> list[dict]:
    """Of points that were skipped or failed, the last record: a run that goes on may measure what it had skipped."""
    last: dict[str, dict] = {}
    for record in records:
        if outcome_of(record):
            asked = [record.get(name) for name in ("operation", "implementation", "backend", "point", "dtypes", "routing", "policy")]
            last[json.dumps(asked, sort_keys=True)] = record
    return [record for record in last.values() if outcome_of(record) in ("skipped", "failed")]


def operation_of(what: str) -> str:
    """Of a row's name."""
    return re.split(r"[ :,]", what, maxsplit=1)[0]


def add_missing(rows: Rows, promises: Promises, points: Points, otherwise: str) -> Rows:
    """otherwise: why a measured point is in no row. Rows without an aim keep no promise."""
    there = {operation_of(what) for (what, _), row in rows.items() if row.aim}
    for operation, aim in promises.items():
        if operation in there:
            continue
        row = rows[operation, NOBODY]
        row.aim = aim
        row.untimed[otherwise] = sum(o["operation"] == operation for o in points.measured)
        row.of = row.untimed[otherwise]
        for record in points.unmeasured:
            if record.get("operation") == operation:
                row.untimed[f"{outcome_of(record)}: {record['outcome'].get('reason') or 'no reason is recorded'}"] += 1
        row.untimed = +row.untimed  # without what is of no point
        if not row.untimed:
            row.untimed["the file has no point of it"] = 0
    return rows
