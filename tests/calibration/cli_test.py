# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""`moecal fit` and `moecal predict` as a user runs them: output against golden files, errors, same bytes twice.

usage: cli_test.py MOECAL [--accept]; --accept rewrites the golden files."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import observations

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?$")
TOLERANCE = 0.02  # printed numbers: another compiler may round the last one


class Session:
    def __init__(self, moecal, folder, accept):
        self.moecal, self.folder, self.accept, self.failures = moecal, folder, accept, []

    def run(self, *arguments, status=0):
        done = subprocess.run([self.moecal, *arguments], cwd=self.folder, capture_output=True, text=True)
        if done.returncode != status:
            self.fail(f"moecal {' '.join(arguments)}: exit status {done.returncode}, not {status}: {done.stderr}")
        return done.stdout + done.stderr

    def golden(self, name, text):
        path = GOLDEN / name
        if self.accept:
            path.write_text(text)
        elif not same(text, path.read_text()):
            self.fail(f"{name} differs; now:\n{text}")

    def error(self, expected, *arguments, status=2):
        text = self.run(*arguments, status=status)
        if expected not in text:
            self.fail(f"moecal {' '.join(arguments)} says: {text}instead of: {expected}")

    def fail(self, message):
        self.failures.append(message)


def same_word(one, other):
    if one == other:
        return True
    if not (NUMBER.match(one) and NUMBER.match(other)):
        return False
    return abs(float(one) - float(other)) <= max(0.11, TOLERANCE * abs(float(other)))


def same(text, golden):
    # "4.1..9.9" is two numbers; spacing follows their widths.
    words, expected = (re.split(r"\s+|\.\.", each.strip()) for each in (text, golden))
    return len(words) == len(expected) and all(map(same_word, words, expected))


def check_fit(session):
    observations.write(session.folder / "o.jsonl")
    session.golden("fit.txt", session.run("fit", "o.jsonl", "--out", "c.json"))
    session.run("fit", "o.jsonl", "--out", "again.json", "--csv", "again.csv")
    for one, other in (("c.json", "again.json"), ("c.csv", "again.csv")):
        if (session.folder / one).read_bytes() != (session.folder / other).read_bytes():
            session.fail("the same observations gave other bytes in " + one)
    csv = (session.folder / "c.csv").read_text().splitlines()
    session.golden("fit_csv_header.txt", csv[0] + "\n")
    session.run("fit", "o.jsonl", "--out", "compact.json", "--compact")
    if any("table_bytes_seconds" in m for m in json.loads((session.folder / "compact.json").read_text())["models"]):
        session.fail("--compact kept a point table")


def check_predict(session):
    predict = ("predict", "c.json", "--operation")
    session.golden("predict.txt", session.run(*predict, "all_reduce", "--group", "4", "--point", "bytes=1048576"))
    session.golden("predict_extrapolated.txt",
                   session.run(*predict, "all_reduce", "--group", "3", "--dtype", "bf16", "--point", "bytes=1073741824"))
    answer = json.loads(session.run(*predict, "expert_gemm", "--point", "m=64", "n=2048", "k=1024", "--json"))
    if not answer["interval_s"][0] < answer["seconds"] < answer["interval_s"][1]:
        session.fail(f"an interval that does not hold its value: {answer}")


def check_floor(session):
    """A card with a spec sheet has a floor; products a thousand times too fast for it are flagged, not moved."""
    committed = str(GOLDEN.parents[2] / "results" / "coefficients" / "b200-sxm.json")
    ask = ("--operation", "all_reduce", "--group", "8", "--point", "bytes=1048576")
    session.error("us (nominal rate of the link between devices)", "predict", committed, *ask, status=0)
    session.error("; tier inter: the models have intra; nodes 2: the models have 1", "predict", committed, "--operation", "moe_combine", "--group", "8",
                  "--nodes", "2", "--tier", "inter", "--point", "tokens=8", "hidden=2048", "experts=8", "top_k=2", status=1)
    card = observations.ENVIRONMENT["card"]
    observations.ENVIRONMENT["card"] = "b200-sxm"
    fast = [{**each, "samples_s": [1e-5 * each["samples_s"][0]], "dtypes": {**each["dtypes"], "a": "bf16"}}
            for each in observations.gemms()]
    observations.write_all(session.folder / "fast.jsonl", fast)
    observations.ENVIRONMENT["card"] = card
    session.run("fit", "fast.jsonl", "--out", "fast.json")
    answer = json.loads(session.run("predict", "fast.json", "--operation", "expert_gemm", "--json",
                                    "--point", "m=512", "n=2048", "k=4096"))
    if not answer["seconds"] < answer["floor"]["seconds"] or "below the floor" not in str(answer["flags"]):
        session.fail(f"a product below the floor of its card is not flagged: {answer}")


def check_overlap(session):
    """Two pairs of times with one sum: they take as long as the longer of the two."""
    observations.write_all(session.folder / "overlap.jsonl", observations.overlaps(4))
    session.run("fit", "overlap.jsonl", "--out", "overlap.json")
    ask = ("predict", "overlap.json", "--operation", "overlap", "--json", "--point")
    for computing, sending in ((1000, 100), (550, 550)):
        answer = json.loads(session.run(*ask, f"compute_ns={computing}000", f"communication_ns={sending}000",
                                        "--group", "4"))
        truth = observations.overlapped(computing * 1e-6, sending * 1e-6)
        if abs(answer["seconds"] / truth - 1) > 0.05 or answer["flags"]:
            session.fail(f"an overlap of {computing} and {sending} us takes {truth} s; predicted: {answer}")
    session.error("name its ranks with --group", *ask, "compute_ns=1000", "communication_ns=1000")


def check_uneven_exchange(session):
    """Rank 0 has one, two or three times the mean, and all wait for it: 30 us and 5 GB/s of its bytes."""
    observations.write_all(session.folder / "exchanges.jsonl", observations.exchanges(4))
    session.run("fit", "exchanges.jsonl", "--out", "exchanges.json")
    ask = ("predict", "exchanges.json", "--operation", "all_to_all_v", "--group", "4", "--point", "tokens=1024",
           "hidden=1024", "experts=8", "top_k=2")
    asked = json.loads(session.run(*ask, "--skew", "2.5", "--json"))
    truth = 30e-6 + 2.5 * 1024 * 2 * 1024 * 4 / 5e9
    if abs(asked["seconds"] / truth - 1) > 0.01 or "as measured" in str(asked["flags"]):
        session.fail(f"an exchange of skew 2.5 takes {truth} s, not {asked}")
    session.error("the busiest rank has 4 times the mean bytes, not between 1 and 3 as measured: interval widened",
                  *ask, "--skew", "4", status=0)
    session.error("leave --routing", *ask, "--skew", "2", "--routing", "uniform")
    session.error("by the skew of its ranks", "predict", "c.json", "--operation", "all_reduce", "--group", "2",
                  "--point", "bytes=1024", "--skew", "2", status=1)


def check_help(session):
    session.golden("fit_help.txt", session.run("fit", "--help"))
    session.golden("predict_help.txt", session.run("predict", "--help"))


def check_errors(session):
    def write(name, text):
        (session.folder / name).write_text(text)
        return name

    text = (session.folder / "c.json").read_text()
    lines = (session.folder / "o.jsonl").read_text()
    session.error("cannot read 'no.jsonl'", "fit", "no.jsonl", "--out", "x.json")
    session.error("'empty.jsonl' is empty", "fit", write("empty.jsonl", ""), "--out", "x.json")
    session.error("'.' is a directory", "fit", ".", "--out", "x.json")
    cut = write("cut.jsonl", lines + lines.splitlines()[-1][:80])
    session.error(f"cut.jsonl:{len(lines.splitlines()) + 1}: the last line is cut off", "fit", cut, "--out", "x.json", status=0)
    lone = write("lone.jsonl", "".join(line + "\n" for line in lines.splitlines()[1:]))
    session.error("lone.jsonl:1: field 'environment_id' is", "fit", lone, "--out", "x.json")
    session.error("'b200-sxm'; the files have: cpu-test", "fit", "o.jsonl", "--out", "x.json", "--card", "B200")
    bad = write("schema.jsonl", lines.replace("observation/1", "observation/7"))
    session.error("schema.jsonl:2: field 'schema' is 'moecal.observation/7'", "fit", bad, "--out", "x.json")
    session.error("cannot write", "fit", "o.jsonl", "--out", "o.jsonl/x.json", status=1)
    ask = ("--operation", "all_reduce", "--point", "bytes=1024")
    session.error("cannot read 'no.json'", "predict", "no.json", *ask)
    session.error("not valid JSON", "predict", write("cut.json", text[:500]), *ask)
    session.error("field 'schema' is", "predict", write("s.json", text.replace("coefficients/1", "coefficients/2")), *ask)
    session.error("is in 's'", "predict", write("u.json", text.replace('"unit": "s"', '"unit": "us"', 1)), *ask)
    session.error("have no operation 'allreduce'; they have: all_reduce", "predict", "c.json", "--operation",
                  "allreduce", "--point", "bytes=1024")
    session.error("no model of all_reduce over 16 ranks, tier inter", "predict", "c.json", *ask, "--group", "16", "--tier", "inter", status=1)
    session.error("no model of all_reduce on h200-sxm", "predict", "c.json", *ask, "--group", "2", "--card", "NVIDIA H200", status=1)
    two = json.loads(text)
    two["models"] += [{**m, "id": m["id"] + "-other", "card": "other", "system": "other"} for m in two["models"]]
    session.error("choose one: cpu-test, other (--card", "predict", write("two.json", json.dumps(two)), *ask, "--group", "2")
    session.run("predict", "two.json", *ask, "--group", "2", "--card", "cpu-test")
    session.error("'bytes:3' is not", "predict", "c.json", "--operation", "all_reduce", "--point", "bytes:3")
    session.error("'.' is a directory", "predict", ".", *ask)
    session.error("nothing.json: is empty", "predict", write("nothing.json", ""), *ask)
    session.error("name its ranks with --group", "predict", "c.json", *ask)
    session.error("0 by arithmetic", "predict", "c.json", *ask, "--group", "1", status=0)
    session.error("--loads are of --routing recorded, not of uniform", "predict", "c.json", *ask, "--group", "2",
                  "--routing", "uniform", "--loads", "loads.txt")
    session.error("cannot read the experts' loads in 'loads.txt'", "predict", "c.json", *ask, "--group", "2", "--loads", "loads.txt")
    session.error("'bytes' twice", "predict", "c.json", *ask, "bytes=2", "--group", "2")
    session.error("has no number 'foo'; it has: bytes", "predict", "c.json", *ask, "foo=3", "--group", "2")
    session.error("does nothing", "predict", "c.json", "--operation", "expert_gemm", "--point", "m=0", "n=1", "k=1")
    session.error("a call of one rank", "predict", "c.json", "--operation", "expert_gemm", "--group", "2", "--point", "m=1", "n=1", "k=1")
    for wrong in (("--nodes", "-3"), ("--tier", "foo"), ("--capacity", "-1"), ("--exponent", "-5"), ("--routing", "foo")):
        session.error(wrong[0], "predict", "c.json", *ask, "--group", "2", *wrong)
    limits = json.loads(text)
    for model in [m for m in limits["models"] if m["operation"] == "expert_gemm"]:
        model["conditions"]["settings"] = {"power_limit_w": "700"}
        limits["models"].append({**model, "id": model["id"] + "-500",
                                 "conditions": {**model["conditions"], "settings": {"power_limit_w": "500"}}})
    limited = ("predict", write("limits.json", json.dumps(limits)), "--operation", "expert_gemm", "--point", "m=64",
               "n=2048", "k=1024", "--setting")
    session.error("-500\n", *limited, "power_limit_watts=500.0", status=0)
    session.error("names 'power_limit_w' twice", *limited, "power_limit_watts=500.0", "power_limit_w=700")
    session.error("unknown dtype 'half'", "predict", "c.json", *ask, "--group", "2", "--dtype", "half")


def main():
    with tempfile.TemporaryDirectory() as folder:
        session = Session(sys.argv[1], pathlib.Path(folder), "--accept" in sys.argv)
        for check in (check_fit, check_predict, check_floor, check_overlap, check_uneven_exchange, check_help,
                      check_errors):
            check(session)
    for failure in session.failures:
        print(failure)
    return 1 if session.failures else 0


if __name__ == "__main__":
    sys.exit(main())
