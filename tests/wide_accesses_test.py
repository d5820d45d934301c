# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Own kernels read aligned rows 16 bytes at a time, and ask for four such words before they need the first. A compiler that is
shown the same bytes in another way may read each by itself, and one that finds a word used behind a branch waits for it
before it asks for the next: results stay right, and a part of the speed is left. Tiles are copied to shared memory in the
background: all of a tile's words are asked for together.

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
    "swiglu": rf"activate_rowsI{TYPE}5uint4|cast_rowsI{TYPE}Lb1E",
    "unpermute": rf"combine_rowsI{TYPE}5uint4",
}
WRITES_LINES = {"memory_copy", "permute", "swiglu", "unpermute"}  # neighbouring threads write neighbouring words
# Kernels that copy to shared memory in the background what they read, by the type and a thread's share of a token in it.
OF_TILES = {"topk_gate": rf"choose_expertsI{TYPE}Li(\d)ELi(\d+)E"}
COPY = "cp.async.cg.shared.global"
WRITES_FOURS = {"topk_gate": r"choose_expertsI\w+?Li[12]ELi"}  # choices and weights, where they lie so
WIDE = re.compile(r"ld\.global(?:\.nc)?(?:\.L\S+)?\.v4\.")
FEW = 12  # instructions that a branch may skip and be sure to become a predicate

def text_of(ptx: str) -> dict[str, str]:
    """By kernel."""
    return {re.match(r"\w+", kernel)[0]: kernel for kernel in re.split(r"\.entry ", ptx)[1:]}


def loads_of(ptx: str) -> dict[str, list[str]]:
    """By kernel, the types that are read from global memory."""
    return {name: re.findall(r"\bld\.global(?:\.nc)?(?:\.L\S+)?\.(\S+)\s", text) for name, text in text_of(ptx).items()}


def statements(kernel: str) -> list[tuple[str, str]]:
    """Instructions and their operands; a label is an instruction without any. Assembly inside braces counts as its inside."""
    lines = (line.split("//")[0].strip() for line in kernel.splitlines())
    found = (re.match(r"(?:\{\s*)?(?:@!?%p\d+\s+)?(\$?\w[\w.]*:?)\s*(.*)", line) for line in lines)
    return [(match[1], match[2]) for match in found if match]


def skips_little(target: str, following: list[tuple[str, str]]) -> bool:
    """Whether a branch leaves out so little that ptxas makes a predicate of it."""
    for instruction, _ in following[:FEW]:
        if instruction == target + ":":
            return True
        if instruction.startswith(("bra", "$")):
            return False
    return False


def asked_for_together(kernel: str) -> int:
    """The most loads of 16 bytes between which no branch stands behind a use of what an earlier one of them read."""
    code = statements(kernel)
    held: set[str] = set()
    loads = most = 0
    used = False
    for place, (instruction, operands) in enumerate(code):
        registers = re.findall(r"%\w+", operands)
        if WIDE.match(instruction):
            loads += 1
            most = max(most, loads)
            held |= set(registers[:4])
        elif instruction.startswith("bra"):
            if used and not skips_little(operands.rstrip(";"), code[place + 1:]):
                held, loads, used = set(), 0, False
        elif held & set(registers):
            if instruction.startswith("mov"):  # a copy is no use
                held |= set(registers)
            else:
                used = True
    return most


def splits_lines(kernel: str) -> bool:
    """Whether a thread writes two neighbouring words of 16 bytes: each store of its warp then fills but half of each sector."""
    written: dict[str, set[int]] = {}
    for base, offset in re.findall(r"st\.global\.v4\S*\s+\[(%\w+)(?:\+(\d+))?\]", kernel):
        written.setdefault(base, set()).add(int(offset or 0))
    return any(offset + 16 in offsets for offsets in written.values() for offset in offsets)


def compiled(nvcc: str, source: str, generated: str, operation: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "kernels.ptx"
        subprocess.run([nvcc, "-ptx", "-O3", "-std=c++20", "-arch=compute_90", f"-I{source}", f"-I{generated}",
                        f"{source}/kernels/{operation}/{operation}_cuda.cu", "-o", target], check=True)
        return target.read_text()


def complaints(operation: str, ptx: str) -> list[str]:
    texts = text_of(ptx)
    kernels = {name: loads for name, loads in loads_of(ptx).items() if re.search(OF_ALIGNED_ROWS[operation], name)}
    found = [f"{operation}: no kernel is named {OF_ALIGNED_ROWS[operation]}"] if not kernels else []
    for name, loads in kernels.items():
        wide = sum(load.startswith("v4.") for load in loads)
        if wide < 4 or any(load in ("u8", "s8", "b8") for load in loads):
            found.append(f"{name} reads {', '.join(sorted(set(loads)))}, {wide} of {len(loads)} 16 bytes wide")
        together = asked_for_together(texts[name])
        if together < 4:
            found.append(f"{name} asks for {together} words of 16 bytes before a branch needs one of them")
        if operation in WRITES_LINES and splits_lines(texts[name]):
            found.append(f"{name} writes halves of sectors")
    return found


def most_copies_in_a_row(kernel: str) -> int:
    """Between two of which nothing waits or branches."""
    most = copies = 0
    for instruction, _ in statements(kernel):
        copies += instruction == COPY
        if instruction.startswith(("bra", "$", "cp.async.wait")):
            copies = 0
        most = max(most, copies)
    return most


def complaints_of_tiles(operation: str, ptx: str) -> list[str]:
    """A warp asks for a whole tile before it waits, and reads the tile 16 bytes at a time."""
    kernels = {name: text for name, text in text_of(ptx).items() if re.search(OF_TILES[operation], name)}
    found = [f"{operation}: no kernel is named {OF_TILES[operation]}"] if not kernels else []
    for name, text in kernels.items():
        of_type, _, elements = re.search(OF_TILES[operation], name).groups()
        chunks = int(elements) * (4 if of_type == "f" else 2) // 16
        if (together := most_copies_in_a_row(text)) < chunks:
            found.append(f"{name} asks for {together} words of 16 bytes together, not for {chunks}")
        if not re.search(r"ld\.shared\.v4", text) or re.search(r"ld\.(global|shared)\.(nc\.)?[usb]8", text):
            found.append(f"{name} reads its tile in less than 16 bytes")
        if re.search(WRITES_FOURS[operation], name) and "st.global.v4" not in text:
            found.append(f"{name} writes no 16 bytes at a time")
    return found


def main(nvcc: str, source: str, generated: str) -> None:
    checks = [(operation, complaints) for operation in OF_ALIGNED_ROWS] + [(operation, complaints_of_tiles) for operation in OF_TILES]
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        texts = pool.map(lambda check: compiled(nvcc, source, generated, check[0]), checks)
        found = [line for (operation, check), ptx in zip(checks, texts) for line in check(operation, ptx)]
    sys.exit("\n".join(found) or 0)


main(*sys.argv[1:])
