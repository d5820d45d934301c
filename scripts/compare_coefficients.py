#!/usr/bin/env python3
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Compares every number of coefficients files: usage: compare_coefficients.py ONE OTHER [--within 1e-6]
ONE and OTHER are files, or folders whose files of equal names are compared. Numbers may differ by that share of the
larger; all else, but for the commit that wrote the file, must be equal. Prints how many numbers differ and the largest
difference with its place; exit status 1 past the limit or where a file is missing, 2 for bad arguments."""
import argparse
import json
import pathlib
import sys

INFINITE = float("inf")


def name_of(item, index):
    return str(item.get("id") or item.get("name") or index) if isinstance(item, dict) else str(index)


def number_of(word):
    try:
        return float(word)
    except ValueError:
        return None


def differences(one, other, place=""):
    """Of each number, or what should be equal and is not: (share, place, one, other)."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted((one.keys() | other.keys()) - {"commit"}):
            yield from differences(one.get(key), other.get(key), f"{place}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (a, b) in enumerate(zip(one, other)):
            yield from differences(a, b, f"{place}/{name_of(a, index)}")
    elif isinstance(one, str) and isinstance(other, str):
        # Trees, centres and weights of a residual are lists of numbers in one text.
        words = one.split(), other.split()
        if one != other and len(words[0]) == len(words[1]):
            for index, (a, b) in enumerate(zip(*words)):
                if a != b:
                    yield from differences(number_of(a), number_of(b), f"{place}/word {index}")
        elif one != other:
            yield INFINITE, place, one, other
    elif isinstance(one, (int, float)) and isinstance(other, (int, float)) and type(one) is not bool:
        yield (abs(one - other) / max(abs(one), abs(other)) if one != other else 0), place, one, other
    elif one != other or (place.rsplit("/", 1)[-1].startswith("word ") and one is None):
        yield INFINITE, place, one, other


def pairs(one, other):
    if not one.is_dir():
        return [(one, other)]
    names = sorted({path.name for folder in (one, other) for path in folder.glob("*.json")})
    return [(one / name, other / name) for name in names]


def compare(one, other, within):
    """Whether two files agree; says how far."""
    for path in (one, other):
        if not path.is_file():
            print(f"{path} is missing")
            return False
    found = list(differences(json.loads(one.read_text()), json.loads(other.read_text())))
    share, place, a, b = max(found, default=(0, "", "", ""), key=lambda each: each[0])
    past = sum(not each[0] <= within for each in found)  # of what is no number too
    print(f"{one.name}: {len(found)} numbers, {sum(each[0] > 0 for each in found)} differ, {past} by more than {within:g}; "
          f"the largest difference is {share:.2g}" + (f" at {place}: {a} and {b}"[:400] if share > 0 else ""))
    return past == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", type=pathlib.Path)
    parser.add_argument("other", type=pathlib.Path)
    parser.add_argument("--within", type=float, default=1e-6)
    arguments = parser.parse_args()
    all_pairs = pairs(arguments.one, arguments.other)
    if not all_pairs:
        print(f"{arguments.one} has no coefficients")
        return 1
    return 0 if all([compare(*pair, arguments.within) for pair in all_pairs]) else 1


if __name__ == "__main__":
    sys.exit(main())
