# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Every operation's folder is in the catalog of exactly one program, under the folder's name.

Usage: catalog_test.py SOURCE_DIR PROGRAM...
"""
import collections
import json
import pathlib
import subprocess
import sys


def folders(source: pathlib.Path) -> set[str]:
    return {bench.parent.name for kind in ("kernels", "collectives", "layers") for bench in (source / kind).glob("*/*_bench.cpp")}


def listed(program: str) -> list[str]:
    text = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
    return [entry["operation"] for entry in json.loads(text)["operations"]]


def main(source: str, *programs: str) -> int:
    found = collections.Counter(operation for program in programs for operation in listed(program))
    expected = folders(pathlib.Path(source))
    problems = [f"{name}: has a folder but is in no catalog" for name in sorted(expected - set(found))]
    problems += [f"{name}: is in a catalog but has no folder" for name in sorted(set(found) - expected)]
    problems += [f"{name}: is in {count} catalogs" for name, count in sorted(found.items()) if count > 1]
    print("\n".join(problems) or f"{len(found)} operations in {len(programs)} programs")
    return 1 if problems or not found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
