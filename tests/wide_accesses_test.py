# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Own kernels read aligned rows 16 bytes at a time. A compiler that is shown the same bytes in another way may read each by
itself: results stay right, and a tenth of the speed is left.

Usage: wide_accesses_test.py NVCC SOURCE_DIR GENERATED_DIR
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

TYPE = r"(f|6__half|13__nv_bfloat16)"
# The kernels of aligned rows, by what their names begin with in PTX.
OF_ALIGNED_ROWS = {
    "attention": rf"softmax_rowsI{TYPE}Lb1E",
    "memory_copy": "copy_wordsI5uint4",
    "memory_stream": "(read|add)_words",
    "permute": rf"permute_rowsI5uint4|permute_cast_rowsI{TYPE}Lb1E",
    "quantize": rf"find_amaxI{TYPE}Lb1E|quantize_(tensor|blocks)I{TYPE}LNS_5DtypeE\dELb1E",
    "swiglu": rf"activate_rowsI{TYPE}Lb1E",
    "topk_gate": rf"choose_expertsI{TYPE}Li\dELi\d+ELb1E",
    "unpermute": rf"combine_rowsI{TYPE}5uint4",
}
FEWEST = {"topk_gate": 2}  # loads of 16 bytes: a chunk for the highest, and one to take from; elsewhere a thread has 4 under way


def loads_of(ptx: str) -> dict[str, list[str]]:
    """By kernel, the types that are read from global memory."""
    return {re.match(r"\w+", kernel)[0]: re.findall(r"\bld\.global(?:\.nc)?(?:\.L\S+)?\.(\S+)\s", kernel)
            for kernel in re.split(r"\.entry ", ptx)[1:]}


def compiled(nvcc: str, source: str, generated: str, operation: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "kernels.ptx"
        subprocess.run([nvcc, "-ptx", "-O3", "-std=c++20", "-arch=compute_90", f"-I{source}", f"-I{generated}",
                        f"{source}/kernels/{operation}/{operation}_cuda.cu", "-o", target], check=True)
        return target.read_text()


def complaints(operation: str, ptx: str) -> list[str]:
    kernels = {name: loads for name, loads in loads_of(ptx).items() if re.search(OF_ALIGNED_ROWS[operation], name)}
    found = [f"{operation}: no kernel is named {OF_ALIGNED_ROWS[operation]}"] if not kernels else []
    for name, loads in kernels.items():
        wide = sum(load.startswith("v4.") for load in loads)
        if wide < FEWEST.get(operation, 4) or any(load in ("u8", "s8", "b8") for load in loads):
            found.append(f"{name} reads {', '.join(sorted(set(loads)))}, {wide} of {len(loads)} 16 bytes wide")
    return found


def main(nvcc: str, source: str, generated: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        texts = pool.map(lambda operation: compiled(nvcc, source, generated, operation), OF_ALIGNED_ROWS)
        found = [line for operation, ptx in zip(OF_ALIGNED_ROWS, texts) for line in complaints(operation, ptx)]
    sys.exit("\n".join(found) or 0)


main(*sys.argv[1:])
