# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/kernel_resources.py reads ptxas' words, and calls a spill an error.

Usage: kernel_resources_test.py SOURCE_DIR
"""
import contextlib
import io
import pathlib
import sys

TEXT = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN6moecal7kernels4copyEv' for 'sm_80'
ptxas info    : Function properties for _ZN6moecal7kernels4copyEv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 24 registers, used 0 barriers, 372 bytes cmem[0]
ptxas info    : Compiling entry function '_ZN6moecal7kernels4gateEv' for 'sm_90'
ptxas info    : Function properties for _ZN6moecal7kernels4gateEv
    16 bytes stack frame, {stores} bytes spill stores, {loads} bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 1024 bytes smem, 400 bytes cmem[0]
"""


def main(source: str) -> None:
    sys.path.insert(0, str(pathlib.Path(source) / "scripts"))
    import kernel_resources

    copy, gate = kernel_resources.parse(TEXT.format(stores=0, loads=0))
    assert copy == {"symbol": "_ZN6moecal7kernels4copyEv", "architecture": "sm_80", "stack": 0, "spills": 0,
                    "registers": 24, "shared": 0}, copy
    assert (gate["registers"], gate["shared"], gate["stack"]) == (255, 1024, 16), gate
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        assert kernel_resources.report([copy, gate]) == 0
        assert kernel_resources.report(kernel_resources.parse(TEXT.format(stores=8, loads=4))) == 1
        assert kernel_resources.report([]) == 1, "no kernel at all is no good news"
    assert "gate spills registers" in errors.getvalue(), errors.getvalue()
    assert "copy" in output.getvalue()
    cut = TEXT.format(stores=0, loads=0).replace("ptxas info    : Used 24", "Stopped at 24")
    try:
        kernel_resources.parse(cut)
        raise SystemExit("a kernel without figures was accepted")
    except ValueError as error:
        assert "copy" in str(error)
    print("registers, shared memory and spills are read from ptxas' words")


if __name__ == "__main__":
    main(*sys.argv[1:])
