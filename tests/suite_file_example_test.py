# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""The example of a suite file in bench/README.md is measured, every line of it.

Usage: suite_file_example_test.py MOECAL BENCH_README
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile


def example(readme: pathlib.Path) -> str:
    found = re.search(r"```jsonl\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"{readme}: there is no block of JSON lines"
    return found.group(1)


def outcomes(moecal: str, suite: str) -> dict[str, str]:
    """By operation, with the reason where there is one."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = pathlib.Path(folder, "suite.jsonl"), pathlib.Path(folder, "run.jsonl")
        file.write_text(suite, encoding="utf-8")
        ran = subprocess.run([moecal, "measure", "--suite", file, "--out", out, "--device", "cpu", "--ranks", "2"],
                             capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"status {ran.returncode}: {ran.stdout}{ran.stderr}"
        records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return {r["operation"]: " ".join(r["outcome"].values()).strip() for r in records if "operation" in r}


def main(moecal: str, readme: str) -> None:
    suite = example(pathlib.Path(readme))
    wanted = {json.loads(line)["operation"]: "measured" for line in suite.splitlines()}
    found = outcomes(moecal, suite)
    assert found == wanted, f"{found} instead of {wanted}"


if __name__ == "__main__":
    main(*sys.argv[1:])
