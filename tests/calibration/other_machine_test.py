# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""The same observations give the same coefficients within 1e-6 on another processor: on one without fused
multiplication and AVX2 the C library's logarithms and powers end in other digits, and glibc can be asked for those.

usage: other_machine_test.py MOECAL SOURCE_DIR"""
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import observations

OTHER = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA"}


def two_steps(group):
    """Steps at 8 and 16 MiB, whose three segments one size between the knots cannot place."""
    for i in range(21):
        size = 512 << i
        step = 0 if i < 14 else 1.3e-5 if i == 14 else 6.3e-5 * (1 << 24) / size
        seconds = 18e-6 * (1 + 0.03 * math.sin(2.4 * i + 1)) + 1.45e-12 * size + step
        seconds *= 1 if group == 4 else 1.2
        yield observations.observation("reduce_scatter", {"bytes": size}, seconds, group=group)


def products(dtype, depths):
    """With a ripple that takes a residual: of few points a radial basis, of many trees."""
    for m in (1, 4, 16, 64, 256, 1024, 4096):
        for n in range(512, 512 * 13, 512):
            for k in depths:
                seconds = 3e-6 + math.hypot(2 * m * n * k / 5e14 * (1 + 80 / m), 2 * (m * k + k * n + m * n) / 2e12)
                ripple = 1 + 0.1 * math.sin(n / 700) + 0.01 * math.sin(m + 3 * k)
                yield observations.observation("expert_gemm", {"m": m, "n": n, "k": k}, seconds * ripple, dtype=dtype)


def fit(moecal, file, folder, environment):
    folder.mkdir()
    for name, options in (("full.json", []), ("compact.json", ["--compact"])):
        subprocess.run([moecal, "fit", str(file), "--out", str(folder / name), *options], check=True,
                       stdout=subprocess.DEVNULL, env={**os.environ, **environment})


def main():
    moecal, source = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        file = folder / "observations.jsonl"
        observations.write_all(file, [
            *observations.all_reduces(2), *observations.all_reduces(4), *two_steps(4), *two_steps(8),
            *observations.copies(), *products("f32", (512, 1024)), *products("bf16", range(512, 5633, 512))])
        fit(moecal, file, folder / "here", {})
        fit(moecal, file, folder / "other", OTHER)
        if all((folder / "here" / each).read_bytes() == (folder / "other" / each).read_bytes()
               for each in ("full.json", "compact.json")):
            print("skipped: this C library or processor has no other logarithms to ask for")
            return 77
        return subprocess.run([sys.executable, str(source / "scripts/compare_coefficients.py"), str(folder / "here"),
                               str(folder / "other")]).returncode


if __name__ == "__main__":
    sys.exit(main())
