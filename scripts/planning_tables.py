#!/usr/bin/env python3
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of planning/README.md and README.md against what `moecal check --card b200-sxm` says today.

usage: planning_tables.py MOECAL SOURCE_FOLDER [--update]

Exit status 1 if a table is stale: another claim, another verdict, or a number more than 1 % and 0.002 off
(mathematics libraries differ in the last digits of a quantile). --update rewrites the tables. What a claim lacks is worded by
hand; which claims lack something, and their verdicts, are not."""
import json
import pathlib
import re
import subprocess
import sys

TOLERANCE = 0.01
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
COMPARATORS = {"~": "~ ", "<=": "<= ", ">=": ">= ", "<": "< ", ">": "> "}


def short(value):
    return f"{value:.3g}"


def extrapolated(flags):
    factors = [float(x) for flag in flags for x in re.findall(r"extrapolated x([0-9.e+]+)", flag)]
    return f"x{short(max(factors))}" if factors else ""


def document_says(claim):
    unit = "" if claim["unit"] in ("", "1") else " " + claim["unit"]
    return COMPARATORS.get(claim["comparator"], "") + short(claim["document_value"]) + unit


def predicted_row(claim):
    low, high = claim["interval"]
    readings = "; ".join(f"{r['name']}: {short(r['value'])}" for r in claim["readings"] if r["value"] is not None)
    return (f"| `{claim['id']}` | {document_says(claim)} | {short(claim['value'])} [{short(low)}, {short(high)}] "
            f"| {extrapolated(claim['flags'])} | {claim['verdict']} | {readings} |")


def conclusion_rows(conclusion):
    for case in conclusion["cases"]:
        values = f"{short(case['winner']['value'])} against {short(case['loser']['value'])} {conclusion['unit']}"
        yield f"| {conclusion['statement']} | {case['reading']} | {short(case['probability'])} | {values} |"


def lacking_row(claim, words):
    lacks = words.get(claim["id"]) or "; ".join(claim["missing"])
    return f"| `{claim['id']}` | {claim['verdict']} | {lacks} |"


def is_predicted(claim):
    return claim["checkability"] == "measured" and claim["interval"] is not None


def is_lacking(claim):
    return claim["checkability"] == "measured" and bool(claim["missing"]) and claim["value"] is None


def table_after(text, heading):
    """Where the rows of the table whose head starts with `heading` begin and end."""
    head = re.search(rf"^\| {re.escape(heading)}.*\n\|[-| ]+\n", text, re.MULTILINE)
    if not head:
        sys.exit(f"planning/README.md has no table whose head starts with '| {heading}'")
    end = re.compile(r"^(?!\|)", re.MULTILINE).search(text, head.end()).start()
    return head.end(), end


def planning_tables(text, findings):
    claims = findings["claims"]
    words = dict(re.findall(r"^\| `([^`]+)` \| [a-z_]+ \| (.*) \|$", text, re.MULTILINE))
    rows = {"claim | document": [predicted_row(c) for c in claims if is_predicted(c)],
            "conclusion": [row for c in findings["conclusions"] for row in conclusion_rows(c)],
            "claim | verdict without it": [lacking_row(c, words) for c in claims if is_lacking(c)]}
    for heading, lines in rows.items():
        start, end = table_after(text, heading)
        text = text[:start] + "".join(line + "\n" for line in lines) + text[end:]
    counts = (len(rows["claim | document"]), len(rows["claim | verdict without it"]))
    text = re.sub(r"^Predicted \(\d+\)", f"Predicted ({counts[0]})", text, flags=re.MULTILINE)
    return re.sub(r"^Not predicted \(\d+\)", f"Not predicted ({counts[1]})", text, flags=re.MULTILINE)


COUNTS = re.compile(r"^document +claims .*\n(?:.*\n)*?all .*\n", re.MULTILINE)


def counts_table(text, printed):
    if not COUNTS.search(text):
        sys.exit("README.md has no table of counts: a line that starts with 'document  claims'")
    return COUNTS.sub(lambda _: COUNTS.search(printed).group(), text)


def same_line(one, other):
    words, expected = NUMBER.split(one), NUMBER.split(other)
    numbers = zip(map(float, NUMBER.findall(one)), map(float, NUMBER.findall(other)))
    return words == expected and all(abs(a - b) <= max(0.002, TOLERANCE * abs(b)) for a, b in numbers)


def stale_lines(now, fresh):
    now, fresh = now.splitlines(), fresh.splitlines()
    if len(now) != len(fresh):
        return [line for line in fresh if line not in now]
    return [b for a, b in zip(now, fresh) if not same_line(a, b)]


def main():
    moecal, source = sys.argv[1], pathlib.Path(sys.argv[2])
    check = [moecal, "check", "--card", "b200-sxm"]
    printed = subprocess.run(check, check=True, capture_output=True, text=True).stdout
    findings = json.loads(subprocess.run([*check, "--json"], check=True, capture_output=True, text=True).stdout)
    stale = False
    for name, make, data in (("planning/README.md", planning_tables, findings), ("README.md", counts_table, printed)):
        text = (source / name).read_text()
        fresh = make(text, data)
        if "--update" in sys.argv:
            (source / name).write_text(fresh)
        for line in stale_lines(text, fresh):
            stale = stale or "--update" not in sys.argv
            print(f"{name}: today it is: {line}")
    if stale:
        print("run scripts/planning_tables.py MOECAL SOURCE_FOLDER --update and commit")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
