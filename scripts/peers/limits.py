# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What a card cannot do. moecal refuses results of its own beyond its nominal figures (bench/limits.cpp); a peer's are held
to the same: one whose calls compute nothing would be the best of its point."""
from __future__ import annotations

import os
import pathlib

from observed import Unavailable, moved, point_text
from ratios import SIZES, Timed

TOLERANCE = 1.02  # nominal figures are rounded, clocks vary a little
OUT_OF_CACHE = 4


def sheet_folders() -> list[pathlib.Path]:
    """Of a clone and of a bundle, as core/data_dir.cpp looks for them."""
    here = pathlib.Path(__file__).resolve().parent
    chosen = os.environ.get("MOECAL_DATA_DIR")
    return [pathlib.Path(root) / "hardware" for root in
            [*([chosen] if chosen else []), here.parents[1], here.parent / "share" / "moecal"]]


class Limits:
    """Of one card."""

    def __init__(self, sheet: dict):
        self.card = sheet["id"]
        self.peaks = {dtype: peak["value"] for dtype, peak in sheet.get("dense_peak_flops_per_second", {}).items()}
        self.memory_rate = sheet.get("memory_bytes_per_second", {}).get("value")
        self.cache = sheet.get("last_level_cache_bytes", {}).get("value")

    def why_impossible(self, o: dict, took: float) -> str:
        """Empty where the observation's work can be done in that time."""
        peak, flops, dtype = self.peaks.get(o["dtypes"]["a"]), o["work"].get("flops", 0), o["dtypes"]["a"]
        if peak and flops > TOLERANCE * peak * took:
            return f"{rate(flops, took)} TFLOP/s is over the dense {dtype} peak of {self.card}, {peak / 1e12:.4g} TFLOP/s"
        least = least_moved(o)
        of_memory = self.cache and self.memory_rate and least >= OUT_OF_CACHE * self.cache
        if of_memory and least > TOLERANCE * self.memory_rate * took:
            return f"{rate(least, took)} TB/s is over the memory bandwidth of {self.card}, {self.memory_rate / 1e12:.4g} TB/s"
        return ""


def least_moved(o: dict) -> float:
    """Bytes that whoever does the work has to move: a peer may keep from memory what moecal's implementation writes there.
    Fused attention has no scores; who makes a gate's table alone reads no logits, and need not write places."""
    point = o["point"]
    if o["operation"] == "attention":
        heads = 2 * point["heads"] + 2 * point["kv_heads"]  # queries and result, keys and values
        return point["batch"] * point["sequence"] * heads * point["head_size"] * SIZES[o["dtypes"]["a"]]
    if o["operation"] == "topk_gate":
        return 8 * point["tokens"] * point["top_k"]  # experts read, an index of each written
    return moved(o)


def rate(amount: float, took: float) -> str:
    return f"{amount / took / 1e12:.4g}" if took > 0 else "infinitely many"


def limits_of(card: str) -> Limits:
    """@throws Unavailable: why nobody is held to any."""
    try:
        import tomllib  # pylint: disable=import-outside-toplevel
    except ImportError as error:
        raise Unavailable("this python3 reads no TOML (3.11 and newer do), and so no card's figures") from error
    sheets = [folder / f"{card}.toml" for folder in sheet_folders()]
    sheet = next((path for path in sheets if path.is_file()), None)
    if sheet is None:
        raise Unavailable(f"there is no {sheets[0]} with the figures of the card '{card}'")
    try:
        return Limits(tomllib.loads(sheet.read_text(encoding="utf-8")))
    except (OSError, KeyError, AttributeError, ValueError) as error:
        raise Unavailable(f"{sheet} is no spec sheet: {type(error).__name__}: {error}") from error


def without_impossible(timed: Timed, card: str, not_run) -> Timed:
    """What a card can have done; the rest is named with its point."""
    try:
        limits = limits_of(card)
    except Unavailable as reason:
        if timed:
            not_run.add("peers' results against what the card can do: not checked", reason)
        return timed
    possible = []
    for o, name, took in timed:
        why = limits.why_impossible(o, took)
        if why:
            not_run.add(f"{name}, {o['operation']} {point_text(o)}", Unavailable(f"impossible, and in no table: {why}"), 1)
        else:
            possible.append((o, name, took))
    return possible
