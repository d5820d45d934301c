#!/usr/bin/env python3
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes a table as CSV that `moecal import` reads, in one canonical form.

Reads parquet (with pyarrow), CSV and gzip-compressed CSV; lines before a CSV's head are dropped. Rows are
sorted, so the same table gives the same bytes whichever form it came in.
"""
import argparse
import csv
import gzip
import sys


def read_parquet(path):
    try:
        import pyarrow.parquet
    except ImportError:
        sys.exit("parquet_to_csv.py: reading parquet needs pyarrow; scripts/fit_public.sh installs it")
    table = pyarrow.parquet.read_table(path)
    names = table.schema.names
    return names, [[str(row[name]) for name in names] for row in table.to_pylist()]


def read_csv(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", newline="") as file:
        rows = csv.reader(file)
        for names in rows:
            if "framework" in names and "device" in names:
                return names, [row for row in rows if row]
    sys.exit(f"parquet_to_csv.py: {path}: no line is a head with the columns 'framework' and 'device'")


def parse_keep(text):
    """n:512..16384 -> (n, 512, 16384)"""
    try:
        column, bounds = text.split(":")
        low, high = bounds.split("..")
        return column, int(low), int(high)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not COLUMN:LOW..HIGH") from None


def kept(names, rows, conditions):
    for column, low, high in conditions:
        if column not in names:
            sys.exit(f"parquet_to_csv.py: --keep names the column '{column}'; the table has {', '.join(names)}")
        at = names.index(column)
        rows = [row for row in rows if low <= int(row[at]) <= high]
    return rows


def sort_key(row):
    return [(0, float(field), "") if field.replace(".", "", 1).isdigit() else (1, 0.0, field) for field in row]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="FILE.parquet, FILE.csv or FILE.csv.gz")
    parser.add_argument("--out", required=True, help="the CSV file to write")
    parser.add_argument("--keep", action="append", type=parse_keep, default=[], metavar="COLUMN:LOW..HIGH",
                        help="keep only rows whose value lies in this range; may be given several times")
    arguments = parser.parse_args()
    reader = read_parquet if arguments.table.endswith(".parquet") else read_csv
    try:
        names, rows = reader(arguments.table)
    except OSError as error:
        sys.exit(f"parquet_to_csv.py: {error}")
    rows = sorted(kept(names, rows, arguments.keep), key=sort_key)
    with open(arguments.out, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
