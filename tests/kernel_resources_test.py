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

SASS = """Fatbin elf code:
arch = sm_80
\tcode for sm_80
\t\tFunction : _ZN6moecal7kernels4copyEv
\t.headerflags\t@"EF_CUDA_SM80"
        /*0000*/                   MOV R1, c[0x0][0x28] ;                 /* 0x00000a0000017a02 */
                                                                          /* 0x000fe40000000f00 */
        /*0010*/              @!P0 BRA 0x30 ;                             /* 0x000000ffff007947 */
        /*0020*/                   EXIT ;                                 /* 0x000000000000794d */
        /*0030*/                   BRA 0x30;                              /* 0xfffffff000007947 */
        /*0040*/                   NOP;                                   /* 0x0000000000007918 */
\t\t..........
\t\tFunction : _ZN6moecal7kernels4gateEv
        /*0000*/                   EXIT ;                                 /* 0x000000000000794d */
"""


def main(source: str) -> None:
    sys.path.insert(0, str(pathlib.Path(source) / "scripts"))
    import kernel_resources

    copy, gate = kernel_resources.parse(TEXT.format(stores=0, loads=0))
    assert copy == {"symbol": "_ZN6moecal7kernels4copyEv", "architecture": "sm_80", "stack": 0, "spills": 0,
                    "registers": 24, "shared": 0}, copy
    assert (gate["registers"], gate["shared"], gate["stack"]) == (255, 1024, 16), gate
    counts = kernel_resources.instructions(SASS)
    assert counts == {(copy["symbol"], "sm_80"): 3, (gate["symbol"], "sm_80"): 1}, counts
    copy["instructions"] = counts[copy["symbol"], "sm_80"]
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        assert kernel_resources.report([copy, gate]) == 0
        assert kernel_resources.report(kernel_resources.parse(TEXT.format(stores=8, loads=4))) == 1
        assert kernel_resources.report([]) == 1, "no kernel at all is no good news"
    assert "gate spills registers" in errors.getvalue(), errors.getvalue()
    lines = {line.split()[0]: line.split()[-1] for line in output.getvalue().splitlines()[1:3]}
    assert (lines["copy"], lines["gate"]) == ("3", "-"), lines
    cut = TEXT.format(stores=0, loads=0).replace("ptxas info    : Used 24", "Stopped at 24")
    try:
        kernel_resources.parse(cut)
        raise SystemExit("a kernel without figures was accepted")
    except ValueError as error:
        assert "copy" in str(error)
    print("registers, shared memory and spills are read from ptxas' words, instructions from cuobjdump's")


if __name__ == "__main__":
    main(*sys.argv[1:])
