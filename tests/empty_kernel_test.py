# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""The kernel that `launch` times has no body: what is timed is the launch.

Usage: empty_kernel_test.py NVCC SOURCE_DIR GENERATED_DIR
"""
import pathlib
import re
import subprocess
import sys
import tempfile


def instructions(ptx: str, kernel: str) -> list[str]:
    body = re.search(rf"\.entry \w*{kernel}\w*\([^)]*\)[^{{]*{{(.*?)}}", ptx, re.DOTALL)
    assert body, f"no kernel {kernel} in {ptx}"
    lines = (line.strip() for line in body.group(1).splitlines())
    return [line for line in lines if line and not line.startswith((".", "//"))]


def main(nvcc: str, source: str, generated: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "launch.ptx"
        subprocess.run([nvcc, "-ptx", "-std=c++20", f"-I{source}", f"-I{generated}",
                        f"{source}/kernels/launch/launch_cuda.cu", "-o", target], check=True)
        ptx = target.read_text()
    assert instructions(ptx, "do_nothing") == ["ret;"], ptx
    assert any(line.startswith("st.global") for line in instructions(ptx, "count_launch")), "the one that counts writes"


main(*sys.argv[1:])
