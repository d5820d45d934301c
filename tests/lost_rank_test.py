#!/usr/bin/env python3
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""A rank is killed or stopped in the middle of a run: every rank left says where it was and ends the
launch, what was finished is on disk, and the same command resumes.

usage: lost_rank_test.py BENCH_SYNTHETIC [BENCH_ALL_REDUCE]   (the second: launches by mpirun)
"""
import collections
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

RANKS = 4
TIMEOUT_S = 8  # of a busy machine, where a rank that lives may not run for seconds
MARGIN_S = 5  # within which, after the time-out, every rank left says what happened
CLEAN_UP_S = 15  # what launchers take to end ranks that are stopped, and a busy machine to end at all


def fail(text):
    sys.exit(f"lost_rank_test: {text}")


def finished(out):
    """How often each point was measured or skipped."""
    counts = collections.Counter()
    text = out.read_text() if out.exists() else ""
    for line in text[:text.rfind("\n") + 1].splitlines():  # without a line that is being written
        record = json.loads(line)
        if record.get("outcome", {}).get("kind") in ("measured", "skipped"):
            parts = [record[key] for key in ("operation", "implementation", "point", "ranks")]
            counts[json.dumps(parts + [record["policy"]["cache"]])] += 1
    return counts


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Launch:
    """A benchmark program of four ranks, started one of three ways; stderr goes to a file."""

    def __init__(self, way, program, out):
        self.err = out.with_suffix(".err")
        arguments = [program, "--out", str(out), "--run-id", "test", "--quiet", "--benchmark_min_time=0.02",
                     f"--timeout={TIMEOUT_S}"]
        if way == "mpirun":
            arguments.append("--benchmark_filter=bytes:(1024|16384)/")
        with open(self.err, "w") as err:
            self.processes = [subprocess.Popen(command, env=dict(os.environ, **more),
                                               stdout=subprocess.DEVNULL, stderr=err)
                              for command, more in self.commands(way, arguments)]

    @staticmethod
    def commands(way, arguments):
        if way == "mpirun":
            # Open MPI kills the others one second after it saw one end: too soon on a busy machine.
            return [(["mpirun", "--mca", "odls_base_sigkill_timeout", "2", "-n", str(RANKS)] + arguments, {})]
        if way == "fork":
            return [(arguments, {"MOECAL_RANKS": str(RANKS)})]
        port = str(free_port())
        return [(arguments, {"RANK": str(rank), "WORLD_SIZE": str(RANKS), "MASTER_ADDR": "127.0.0.1",
                             "MASTER_PORT": port}) for rank in range(RANKS)]

    def ranks(self):
        """Process ids, rank by rank."""
        if len(self.processes) == RANKS:
            return [process.pid for process in self.processes]
        parent = self.processes[0].pid
        children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [int(child) for child in children]  # in the order of their forks; process ids may wrap

    def wait(self, within, besides=None):
        end = time.monotonic() + within
        for process in self.processes:
            if process.pid != besides:
                process.wait(max(0.1, end - time.monotonic()))
        return [process.returncode for process in self.processes if process.pid != besides]

    def clean_up(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def wait_for_points(launch, out):
    for _ in range(600):
        if len(finished(out)) >= 3:
            return
        if launch.processes[0].poll() is not None:
            break
        time.sleep(0.05)
    fail(f"no three points were finished: {launch.err.read_text()}")


def sentence_of(rank, lost, reason, point):
    return (rf"moecal: rank {rank} of {RANKS} on \S+, in {point}\S+, step '[^']+': "
            rf"((this rank|rank . of {RANKS} on \S+) lost another: )?rank {lost} of {RANKS}( on \S+)? {reason}")


def wait_for_words(launch, sentences):
    """Seconds until every sentence is on stderr; fails if one does not come as soon as is promised."""
    start = time.monotonic()
    while True:
        words = launch.err.read_text()
        waited = time.monotonic() - start
        missing = [sentence for sentence in sentences if not re.search(sentence, words)]
        if not missing:
            break
        if waited > TIMEOUT_S + MARGIN_S:
            fail(f"{waited:.1f} s after a rank was lost nobody says {missing}; stderr is:\n{words}")
        time.sleep(0.02)
    # The watchdogs' own figures: what they say does not depend on when this test got to read it.
    for silence in re.findall(r"(?:no sign of life for|is gone,) ([0-9.]+) s", words):
        if float(silence) > TIMEOUT_S + MARGIN_S:
            fail(f"a rank was missed only after {silence} s; stderr is:\n{words}")
    return waited


def lose_a_rank(way, program, how, lost):
    point = "spin/spin/index:" if way != "mpirun" else "all_reduce/ompi/bytes:"
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "run.jsonl"
        launch = Launch(way, program, out)
        try:
            wait_for_points(launch, out)
            pid = launch.ranks()[lost]
            reason = (r"(is gone, [0-9.]+ s after|closed its connection)" if how == signal.SIGKILL
                      else rf"has given no sign of life for [0-9.]+ s, {TIMEOUT_S} s being allowed")
            os.kill(pid, how)
            said = wait_for_words(launch, [sentence_of(rank, lost, reason, point)
                                           for rank in range(RANKS) if rank != lost])
            ended = time.monotonic()
            statuses = launch.wait(CLEAN_UP_S, besides=pid)
            ended = time.monotonic() - ended
        finally:
            launch.clean_up()
        if 0 in statuses:
            fail(f"{way}: exit statuses {statuses} after rank {lost} was lost")
        before = finished(out)
        again = Launch(way, program, out)
        try:
            statuses = again.wait(120)
        finally:
            again.clean_up()
        if any(statuses):
            fail(f"{way}: the same command does not resume: {statuses}\n{again.err.read_text()}")
        after = finished(out)
        if any(count != 1 for count in after.values()) or not set(before) < set(after):
            fail(f"{way}: finished points were repeated or lost: {before} then {after}")
        print(f"{way}, signal {how}, rank {lost}: every rank left said so after {said:.1f} s and had ended {ended:.1f} s later; "
              f"{len(before)} points kept, {len(after)} in the end", flush=True)


def main():
    synthetic = sys.argv[1]
    lose_a_rank("fork", synthetic, signal.SIGSTOP, 2)
    lose_a_rank("fork", synthetic, signal.SIGKILL, 1)
    lose_a_rank("tcp", synthetic, signal.SIGKILL, 0)
    lose_a_rank("tcp", synthetic, signal.SIGSTOP, 0)
    for program in sys.argv[2:]:
        lose_a_rank("mpirun", program, signal.SIGKILL, 2)
        lose_a_rank("mpirun", program, signal.SIGSTOP, 1)


if __name__ == "__main__":
    main()
