# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What the parts of a layer take by themselves, beside the layer."""
from __future__ import annotations

import statistics

from observed import is_cold, kind, point_text, seconds
from promised import Points, outcome_of
from tables import in_cell

TITLE = "moe_layer: the sum of its parts over the whole"
WORDS = ("Over 1: one after the other in one graph, the parts cost less than by themselves. A cold layer's buffer sets keep the whole "
         "cold; a part that is small beside it may find its own bytes in the cache, and cold would take no less: then the sum is "
         "a least one, and those parts are named with their share of it.")
HEAD = ("layer", "whole, us", "sum of parts / whole", "warm parts", "each part's share of the sum")


def medians(o: dict) -> dict[str, float]:
    return {name: statistics.median(times) for name, times in o.get("parts_s", {}).items() if times}


def warm_parts(o: dict) -> list[str]:
    """Of a cold layer, whose own parts were not cold, or not known to be."""
    return [name for name in medians(o) if is_cold(o) and o.get("parts_cache", {}).get(name) != "cold"]


def shares(parts: dict[str, float], names: list[str]) -> str:
    total = sum(parts.values())
    return ", ".join(f"{name} {100 * parts[name] / total:.1f} %" for name in sorted(names, key=parts.get, reverse=True)) or "-"


def line(o: dict) -> str:
    parts, warm = medians(o), warm_parts(o)
    said = f"{sum(parts.values()) / seconds(o):.2f}" if parts else "its parts were not timed"
    cells = [f"{kind(o)} {point_text(o)}", f"{1e6 * seconds(o):.1f}", "at least " * bool(warm) + said, shares(parts, warm),
             shares(parts, list(parts))]
    return "| " + " | ".join(cells) + " |"


def section(points: Points) -> str:
    layers = [o for o in points.measured if o["operation"] == "moe_layer"]
    said = f"\n## {TITLE}\n\n"
    if layers:
        said += WORDS + "\n\n" + "\n".join(["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|", *map(line, layers)])
    else:
        said += "No layer was measured: not yet measured."
    for record in points.unmeasured:
        if record.get("operation") == "moe_layer":
            said += f"\n- {outcome_of(record)}: {record.get('point')}: {in_cell(record['outcome'].get('reason', ''))}"
    return said
