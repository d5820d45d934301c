# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Uneven exchanges measured and predicted: each routing is left out of a fit in turn, and predicted by its skew.

Over a link that each of two ranks has for itself the busiest rank rules by construction: the exponent of the skew is 1.
Over shared memory nobody knows beforehand."""
import argparse
import collections
import json
import pathlib
import statistics
import subprocess
import tempfile

from two_hosts import Link, TwoHosts, why_not

LINK = Link(40, 50)
HOT = [1.0] * 9 + [300.0] + [1.0] * 54  # one expert of 64 is in nearly every token's choice


def recorded(loads):
    return {"distribution": "recorded", "loads": loads}


def power_law(exponent):
    return {"distribution": "power_law", "exponent": exponent}


SETUPS = {
    "link": {"ranks": {"world": 2, "group": 2, "nodes": 2, "tier": "inter"}, "experts": 8, "top_k": 1,
             "tokens": (1024, 1536, 2048, 3072),
             "uneven": [recorded([share / 4] * 4 + [(1 - share) / 4] * 4) for share in (.6, .7, .8, .9)]},
    "memory": {"ranks": {"world": 8, "group": 8}, "experts": 64, "top_k": 2, "tokens": (256, 512, 1024, 2048, 4096),
               "uneven": [*map(power_law, (0.4, 0.8, 1.2, 1.6)), recorded(HOT)]}}
EVEN = {"distribution": "balanced"}


def write_suite(setup, operation, path):
    cases = [{"operation": operation, "dtypes": {"a": "bf16", "c": "bf16"}, "ranks": setup["ranks"], "routing": routing,
              "point": {"tokens": tokens, "hidden": 1024, "experts": setup["experts"], "top_k": setup["top_k"]}}
             for tokens in setup["tokens"] for routing in (EVEN, *setup["uneven"])]
    path.write_text("".join(json.dumps(case) + "\n" for case in cases))


def measure(build, over, operation, folder):
    """Lines of an observation file."""
    suite, out = folder / "suite.jsonl", folder / "observations.jsonl"
    write_suite(SETUPS[over], operation, suite)
    program = build / "bin" / ("bench_layers" if operation == "dispatch_combine" else f"bench_{operation}")
    words = [program, "--suite", suite, "--out", out, "--benchmark_min_time=0.4"]
    if over == "link":
        with TwoHosts(build / "testing" / "link_emulator", LINK) as hosts:
            hosts.run(["mpirun", "-n", 2, "--map-by", "node", *words], 600)
        print(f"link of {LINK.megabytes_per_s:.0f} MB/s: {hosts.lateness}")
    else:
        subprocess.run(["mpirun", "-n", "8", "--oversubscribe", *words], check=True, capture_output=True)
    return [json.loads(line) for line in out.read_text().splitlines()]


class Machine:
    """What was measured, and moecal to fit and predict it."""

    def __init__(self, moecal, operation, lines, folder):
        self.moecal, self.operation, self.folder = moecal, operation, folder
        self.environments = [line for line in lines if "operation" not in line]
        self.observations = [line for line in lines if "samples_s" in line and line["samples_s"]]
        self.seconds = collections.defaultdict(list)
        for o in self.observations:
            self.seconds[routing_of(o), o["point"]["tokens"]].append(statistics.median(o["samples_s"]))
        self.skew = {(routing_of(o), o["point"]["tokens"]): skew_of(o["exchanged"]) for o in self.observations}

    def fit(self, observations):
        file, out = self.folder / "some.jsonl", self.folder / "some.json"
        file.write_text("".join(json.dumps(line) + "\n" for line in (*self.environments, *observations)))
        subprocess.run([self.moecal, "fit", file, "--out", out], check=True, capture_output=True)
        return json.loads(out.read_text())["models"][0]

    def predict(self, tokens, *options):
        ranks, point = self.observations[0]["ranks"], self.observations[0]["point"] | {"tokens": tokens}
        done = subprocess.run(
            [self.moecal, "predict", self.folder / "some.json", "--operation", self.operation, "--json", "--group",
             str(ranks["group"]), "--tier", ranks["tier"], *options, "--point", *(f"{k}={v}" for k, v in point.items())],
            check=True, capture_output=True, text=True)
        return json.loads(done.stdout)


def routing_of(observation):
    routing = observation["routing"]
    return routing["distribution"], routing["exponent"], tuple(routing.get("loads", ()))


def skew_of(exchanged):
    mean = sum(exchanged["sent_bytes"]) / len(exchanged["sent_bytes"])
    return max(1, max(exchanged["sent_bytes"] + exchanged["received_bytes"]) / mean)


def parameter(model, name):
    return next((p["value"], p["standard_error"]) for p in model["parameters"] if p["name"] == name)


def left_out(machine, routing):
    """Errors of two predictions: by fits of all other routings, and of the even one alone without bytes of ranks."""
    places = sorted(place for place in machine.skew if place[0] == routing)
    truths = [statistics.median(machine.seconds[place]) for place in places]
    errors, covered = {"even": [], "skew": []}, 0
    machine.fit([{k: v for k, v in o.items() if k != "exchanged"} for o in machine.observations
                 if routing_of(o)[0] == EVEN["distribution"]])
    for (_, tokens), truth in zip(places, truths):
        errors["even"].append(abs(machine.predict(tokens)["seconds"] / truth - 1))
    machine.fit([o for o in machine.observations if routing_of(o) != routing])
    for place, truth in zip(places, truths):
        prediction = machine.predict(place[1], "--skew", f"{machine.skew[place]:.4f}")
        errors["skew"].append(abs(prediction["seconds"] / truth - 1))
        covered += prediction["interval_s"][0] <= truth <= prediction["interval_s"][1]
    return errors, covered


def report(machine):
    model = machine.fit(machine.observations)
    print("%s: exponent of the skew %.3f +- %.3f, skews %.2f to %.2f" %
          (machine.operation, *parameter(model, "skew_exponent"), *model["skews"]))
    all_errors, covered, points = {"even": [], "skew": []}, 0, 0
    uneven = {place[0]: skew for place, skew in machine.skew.items() if place[0][0] != EVEN["distribution"]}
    for routing in sorted(uneven, key=uneven.get):
        errors, inside = left_out(machine, routing)
        covered, points = covered + inside, points + len(errors["skew"])
        print("  left out: skew %.2f: %.1f %% by its skew, %.1f %% as if it were even" %
              (uneven[routing], *(100 * statistics.median(errors[kind]) for kind in ("skew", "even"))))
        for kind in errors:
            all_errors[kind] += errors[kind]
    for kind, text in (("skew", "by its skew"), ("even", "as if it were even")):
        ordered = sorted(all_errors[kind])
        print("  %s: median %.1f %%, p90 %.1f %% of %d points" %
              (text, 100 * statistics.median(ordered), 100 * ordered[int(0.9 * (len(ordered) - 1) + 0.5)], len(ordered)))
    print(f"  covered by 90 % intervals: {covered} of {points}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="folder of a build, e.g. build/cpu-release")
    parser.add_argument("--over", choices=SETUPS, default="link")
    parser.add_argument("--operation", choices=("all_to_all_v", "dispatch_combine"), default="all_to_all_v")
    parser.add_argument("--launches", type=int, default=2, help="each point's median over them counts")
    arguments = parser.parse_args()
    if arguments.over == "link" and why_not():
        raise SystemExit(f"uneven_exchange.py: {why_not()}")
    lines = []
    with tempfile.TemporaryDirectory() as temporary:
        for launch in range(arguments.launches):
            folder = pathlib.Path(temporary) / str(launch)
            folder.mkdir()
            lines += measure(arguments.build.resolve(), arguments.over, arguments.operation, folder)
        report(Machine(arguments.build.resolve() / "bin" / "moecal", arguments.operation, lines, pathlib.Path(temporary)))


if __name__ == "__main__":
    main()
