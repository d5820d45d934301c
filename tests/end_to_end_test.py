# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""The line through everything, as a user runs it: measure, resume, fit, predict, check, and a document that
is edited.

Usage: end_to_end_test.py SOURCE_DIR BIN_DIR [--ranked]     (--ranked: the build has MPI)
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SUITE = [
    {"operation": "memory_copy", "point": {"bytes": size}, "dtypes": {"a": "uint8", "c": "uint8"}}
    for size in (4096, 65536, 262144, 1048576)
]
RANKED_SUITE = [
    {"operation": "all_reduce", "point": {"bytes": size}, "dtypes": {"a": "f32", "c": "f32", "accumulate": "f32"},
     "ranks": {"world": 2, "group": 2}}
    for size in (1024, 65536)
]


class Line:
    def __init__(self, source: pathlib.Path, binaries: pathlib.Path, folder: pathlib.Path):
        self.source, self.moecal, self.folder = source, binaries / "moecal", folder

    def run(self, *arguments: str, status: int = 0, data: pathlib.Path | None = None) -> str:
        environment = dict(os.environ, **({"MOECAL_DATA_DIR": str(data)} if data else {}))
        done = subprocess.run([self.moecal, *map(str, arguments)], capture_output=True, text=True, env=environment)
        assert done.returncode == status, f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout if status == 0 else done.stderr

    def measure(self, suite: list[dict], ranks: int) -> pathlib.Path:
        suite_file, out = self.folder / "suite.jsonl", self.folder / "observations.jsonl"
        suite_file.write_text("".join(json.dumps(case) + "\n" for case in suite))
        command = ("measure", "--suite", suite_file, "--device", "cpu", "--ranks", ranks, "--run-id", "test", "--out", out)
        self.run(*command)
        lines = out.read_text().splitlines()
        self.run(*command)
        assert out.read_text().splitlines() == lines, "the same run measured a finished point again"
        return out

    def verdict(self, claim: str, data: pathlib.Path | None = None) -> str:
        findings = json.loads(self.run("check", "--claim", claim, "--json", data=data))
        assert len(findings["claims"]) == 1, findings
        return findings["claims"][0]["verdict"]


def check_observations(path: pathlib.Path, suite: list[dict]) -> None:
    rows = [json.loads(text) for text in path.read_text().splitlines()]
    measured = [row for row in rows if row["schema"].startswith("moecal.observation") and row["outcome"]["kind"] == "measured"]
    points = {(row["operation"], row["point"].get("bytes")) for row in measured}
    assert points >= {(case["operation"], case["point"]["bytes"]) for case in suite}, points
    assert all(row["verification"]["method"] != "none" and row["samples_s"] for row in measured)


def check_prediction(line: Line, observations: pathlib.Path) -> None:
    coefficients = line.folder / "coefficients.json"
    line.run("fit", observations, "--out", coefficients)
    first = coefficients.read_bytes()
    line.run("fit", observations, "--out", coefficients)
    assert coefficients.read_bytes() == first, "the same observations gave other coefficients"
    prediction = json.loads(line.run("predict", coefficients, "--operation", "memory_copy", "--point", "bytes=262144", "--json"))
    text = json.dumps(prediction)
    assert "measured" in text and "memory_copy" in text, text
    assert "memory_copy" in line.run("predict", coefficients, "--operation", "no_such", "--point", "bytes=1", status=2)


def check_edited_document(line: Line) -> None:
    """A claim that holds must be contradicted once its value, or an input of its formula, is another."""
    data = line.folder / "data"
    shutil.copytree(line.source / "claims", data / "claims")
    shutil.copytree(line.source / "hardware", data / "hardware")
    claim = "b200-8gpu.dp2-ep4.gpu-count"
    path = data / "claims" / "b200-8gpu.json"
    original = path.read_text()
    assert line.verdict(claim, data) == "holds"
    for edit in ("value", "input"):
        document = json.loads(original)
        entry = next(entry for entry in document["claims"] if entry["id"] == claim)
        if edit == "value":
            entry["value"] = 9
        else:
            entry["parameters"]["dp"]["value"] = 3
        path.write_text(json.dumps(document))
        assert line.verdict(claim, data) == "contradicted", f"edited {edit}: {line.verdict(claim, data)}"


def check_bad_input(line: Line) -> None:
    missing = line.folder / "none.jsonl"
    assert str(missing) in line.run("fit", missing, "--out", line.folder / "c.json", status=2)
    cut = line.folder / "cut.json"
    cut.write_text('{"schema": "moecal.coefficients/1", "models": [')
    assert "cut.json" in line.run("predict", cut, "--operation", "all_reduce", "--point", "bytes=1", status=2)
    assert "no-such-card" in line.run("check", "--card", "no-such-card", status=2)


def main(source: str, binaries: str, *flags: str) -> None:
    suite = SUITE + (RANKED_SUITE if "--ranked" in flags else [])
    with tempfile.TemporaryDirectory() as folder:
        line = Line(pathlib.Path(source), pathlib.Path(binaries), pathlib.Path(folder))
        observations = line.measure(suite, ranks=2)
        check_observations(observations, suite)
        check_prediction(line, observations)
        check_edited_document(line)
        check_bad_input(line)
    print("measure, resume, fit, predict and check work on", len(suite), "points")


if __name__ == "__main__":
    main(*sys.argv[1:])
