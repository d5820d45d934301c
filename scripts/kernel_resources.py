# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Prints registers, shared memory and spills of every kernel, as ptxas reports them for each architecture. A spill is
an error: it would silently cost bandwidth. Where cuobjdump is found (on the PATH or beside nvcc; it needs nvdisasm beside
it) also how many instructions each has.

Usage: kernel_resources.py BUILD_DIR        (`ninja kernel_resources` in a CUDA build)
       kernel_resources.py --parse FILE...  (ptxas' own words, e.g. of a build log)
"""
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(sm_\w+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(.*)")
SHARED = re.compile(r"(\d+) bytes smem")
CODE_FOR = re.compile(r"^\s*(?:arch =|code for) (sm_\w+)")
FUNCTION = re.compile(r"^\s*Function : (\S+)")
INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(\S.*?);")


def parse(text: str) -> list[dict]:
    """One dictionary per kernel and architecture. Raises ValueError if a kernel's figures are incomplete."""
    kernels: list[dict] = []
    for line in text.splitlines():
        if match := ENTRY.search(line):
            kernels.append({"symbol": match[1], "architecture": match[2]})
        elif kernels and (match := STACK.search(line)) and "stack" not in kernels[-1]:
            kernels[-1] |= {"stack": int(match[1]), "spills": int(match[2]) + int(match[3])}
        elif kernels and (match := USED.search(line)):
            shared = SHARED.search(match[2])
            kernels[-1] |= {"registers": int(match[1]), "shared": int(shared[1]) if shared else 0}
    for kernel in kernels:
        if {"registers", "spills"} - set(kernel):
            raise ValueError(f"ptxas says nothing of registers or spills of {kernel['symbol']}")
    return kernels


def instructions(text: str) -> dict[tuple[str, str], int]:
    """By symbol and architecture, of what `cuobjdump -sass` prints. What fills up the end (NOP, a jump to itself) is none."""
    counts: dict[tuple[str, str], int] = {}
    architecture = symbol = ""
    seen = 0
    for line in text.splitlines():
        if match := CODE_FOR.search(line):
            architecture = match[1]
        elif match := FUNCTION.search(line):
            symbol, seen = match[1], 0
        elif match := INSTRUCTION.search(line):
            seen += 1
            if not match[1].startswith(("NOP", "BRA")):
                counts[symbol, architecture] = seen
    return counts


def disassembler(compiler: str) -> str | None:
    """The path of cuobjdump."""
    return shutil.which("cuobjdump") or shutil.which("cuobjdump", path=str(pathlib.Path(compiler).resolve().parent))


def disassembled(compiler: str, binary: str) -> dict[tuple[str, str], int]:
    """No instructions where there is no disassembler, or it fails."""
    if not (tool := disassembler(compiler)):
        return {}
    done = subprocess.run([tool, "-sass", binary], capture_output=True, text=True)
    if done.returncode:
        print(f"kernel_resources.py: {tool} fails: {done.stderr.strip()}", file=sys.stderr)
    return instructions(done.stdout)


def readable(symbols: list[str]) -> dict[str, str]:
    """The functions' names without parameters, as c++filt gives them."""
    if not shutil.which("c++filt"):
        return {symbol: symbol for symbol in symbols}
    text = subprocess.run(["c++filt"], input="\n".join(symbols), capture_output=True, text=True, check=True).stdout
    text = re.sub(r"\(moecal::\w+\)(?=\d)", "", text)  # of a template's argument of an enumeration
    names = [re.sub(r"\((?!anonymous namespace\)).*", "", re.sub(r"^void ", "", name)) for name in text.splitlines()]
    names = [re.sub(r"^moecal::\w+::(\(anonymous namespace\)::)?", "", name) for name in names]
    # CUTLASS writes a kernel's whole configuration into its name.
    return {symbol: name if len(name) <= 100 else name[:97] + "..." for symbol, name in zip(symbols, names)}


def report(kernels: list[dict]) -> int:
    names = readable([kernel["symbol"] for kernel in kernels])
    width = max((len(name) for name in names.values()), default=6)
    print(f"{'kernel':{width}} {'for':8} {'registers':>9} {'shared B':>9} {'stack B':>8} {'spilled B':>9} {'instructions':>12}")
    for kernel in sorted(kernels, key=lambda k: (names[k["symbol"]], k["architecture"])):
        print(f"{names[kernel['symbol']]:{width}} {kernel['architecture']:8} {kernel['registers']:9} {kernel['shared']:9} "
              f"{kernel['stack']:8} {kernel['spills']:9} {kernel.get('instructions', '-'):>12}")
    spilling = sorted({names[k["symbol"]] for k in kernels if k["spills"]})
    for name in spilling:
        print(f"error: {name} spills registers", file=sys.stderr)
    return 1 if spilling or not kernels else 0


def commands(build: pathlib.Path) -> list[tuple[list[str], str, str]]:
    """(flags, source, directory) of each .cu file: what nvcc is given, less output and ptxas' own options."""
    found = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if not entry["file"].endswith(".cu"):
            continue
        words = shlex.split(entry["command"])
        words = words[next(i for i, word in enumerate(words) if word.endswith("nvcc")):]
        flags = [word for before, word in zip([""] + words, words)
                 if word not in ("-o", "-MF", "-MT", "-MD", "-Xptxas") and before not in ("-o", "-MF", "-MT", "-Xptxas")]
        found.append((flags, entry["file"], entry["directory"]))
    return found


def compile_all(build: pathlib.Path) -> list[dict]:
    kernels = []
    for flags, source, directory in commands(build):
        with tempfile.NamedTemporaryFile(suffix=".o") as target:
            done = subprocess.run([*flags, "-Xptxas", "-v", "-o", target.name], cwd=directory, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"kernel_resources.py: {source} does not compile:\n{done.stderr}")
            counts = disassembled(flags[0], target.name)
        for kernel in parse(done.stderr):
            count = counts.get((kernel["symbol"], kernel["architecture"]))
            kernels.append(kernel if count is None else kernel | {"instructions": count})
    return kernels


def main(arguments: list[str]) -> int:
    if not arguments or arguments == ["--parse"]:
        print(__doc__, file=sys.stderr)
        return 2
    if arguments[0] == "--parse":
        return report([kernel for path in arguments[1:] for kernel in parse(pathlib.Path(path).read_text())])
    return report(compile_all(pathlib.Path(arguments[0])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
