# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What moecal writes, and what is committed, against the published JSON Schemas.

usage: schema_test.py MOECAL SOURCE_FOLDER. Exit status 77 (skipped) without the Python package jsonschema."""
import copy
import json
import pathlib
import subprocess
import sys
import tempfile

import observations

try:
    import jsonschema
except ImportError:
    print("skipped: the Python package jsonschema (Debian: python3-jsonschema) is not installed")
    sys.exit(77)


def validator(source, name):
    schema = json.loads((source / "results" / "schema" / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def written_by_moecal(moecal, folder):
    observations.write(folder / "o.jsonl")
    observations.write_all(folder / "exchanges.jsonl", observations.exchanges(4))
    for file, out, options in (("o.jsonl", "c.json", []), ("o.jsonl", "compact.json", ["--compact"]),
                               ("exchanges.jsonl", "e.json", [])):
        subprocess.run([moecal, "fit", file, "--out", out, *options], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        yield json.loads((folder / out).read_text())


def check_that_it_can_fail(check, good):
    """A schema that accepts anything checks nothing."""
    for spoil in (lambda c: c.update(schema="moecal.coefficients/2"), lambda c: c["models"][0].pop("card"),
                  lambda c: c["models"][0]["parameters"][0].update(unit="ms"),
                  lambda c: c["models"][0].update(unheard_of=1)):
        bad = copy.deepcopy(good)
        spoil(bad)
        assert not check.is_valid(bad), "the schema accepts a spoilt file"


def main():
    moecal, source = sys.argv[1], pathlib.Path(sys.argv[2])
    coefficients, observation = validator(source, "coefficients"), validator(source, "observation")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for written in written_by_moecal(moecal, folder):
            coefficients.validate(written)
            check_that_it_can_fail(coefficients, written)
        for file in ("o.jsonl", "exchanges.jsonl"):
            for line in (folder / file).read_text().splitlines():
                observation.validate(json.loads(line))
    for path in sorted((source / "results" / "coefficients").rglob("*.json")):
        coefficients.validate(json.loads(path.read_text()))
    for path in sorted((source / "results" / "observations").rglob("*.jsonl")):
        for line in path.read_text().splitlines():
            observation.validate(json.loads(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
