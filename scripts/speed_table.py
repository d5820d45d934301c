#!/usr/bin/env python3
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how fast fits and predictions are, and writes the tables of results/speed/README.md.

  python3 scripts/speed_table.py build/cpu/bin/calibration_speed [--filter REGEX] [--out results/speed/README.md]

Some four minutes on idle cores; what stands between the file's two marks is replaced. Best run on an idle
machine: user seconds say how busy it was, for they are of all threads and hardly grow with other load.
"""
import argparse
import datetime
import json
import os
import pathlib
import subprocess

BEGIN, END = "<!-- begin speed_table.py -->", "<!-- end speed_table.py -->"
GOALS = {"segmented_latency_bandwidth": 20, "log_log_table": 20, "latency_bandwidth": 20, "pooled_curve": 20,
         "saturating_roofline": 3, "grouped_gemms+residual": 0.3, "saturating_roofline+residual": 0.3,
         "tile_wave+residual": 0.3, "tile_wave+radial_basis of 200": 0.3, "tile_wave+radial_basis of 799": 0.3}
FIT_GOAL_S = 5  # 200,000 observations by two threads


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def missed(is_missed):
    return ": missed" if is_missed else ""


def fit_rows(benchmarks):
    yield "| observations | threads | wall s | user s | peak bytes an observation | observations a second |"
    yield "|---|---|---|---|---|---|"
    for run in benchmarks:
        if not run["name"].startswith("Fit/"):
            continue
        count = int(run["observations"])
        threads = run["name"].split("threads:")[1].split("/")[0]
        wall = count / run["per_second"]
        goal = f" (aim {FIT_GOAL_S}{missed(wall > FIT_GOAL_S)})" if count == 200000 and threads == "2" else ""
        yield (f"| {count} | {threads} | {wall:.2f}{goal} | {run['user_s']:.2f} "
               f"| {run['bytes_per_observation']:.0f} | {run['per_second']:.0f} |")


def repeat_rows(benchmarks):
    yield "| readings of 21 sizes | wall s, one thread |"
    yield "|---|---|"
    for run in benchmarks:
        if run["name"].startswith("FitRepeats/"):
            yield f"| {int(run['observations'])} | {run['observations'] / run['per_second']:.2f} |"


def predict_rows(benchmarks):
    yield "| form | million predictions a second and core | aim |"
    yield "|---|---|---|"
    for run in benchmarks:
        if run["name"].startswith("Predict/"):
            form = run["name"].split("/")[1]
            millions, goal = run["per_second"] / 1e6, GOALS.get(form)
            aim = "" if goal is None else f"{goal}{missed(millions < goal)}"
            yield f"| {form} | {millions:.2f} | {aim} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--filter", default="Fit|Predict")
    parser.add_argument("--out", default="results/speed/README.md")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    command = [arguments.program, f"--benchmark_filter={arguments.filter}", "--benchmark_format=json"]
    benchmarks = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["benchmarks"]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True).stdout
    today = datetime.datetime.now(datetime.timezone.utc).date()
    lines = [BEGIN, f"{today}, commit {commit.strip()}; {processor()}, {os.cpu_count()} processors, load average "
             f"{load:.1f} at the start and {os.getloadavg()[0]:.1f} at the end.", ""]
    lines += [*fit_rows(benchmarks), "", *repeat_rows(benchmarks), "", *predict_rows(benchmarks), END]
    path = pathlib.Path(arguments.out)
    text = path.read_text()
    path.write_text(text[:text.index(BEGIN)] + "\n".join(lines) + text[text.index(END) + len(END):])
    print("\n".join(lines[1:-1]))


if __name__ == "__main__":
    main()
