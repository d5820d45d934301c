# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Prints registers, shared memory and spills of every kernel, as ptxas reports them for each architecture. A spill is
an error: it would silently cost bandwidth.

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


def readable(symbols: list[str]) -> dict[str, str]:
    """The functions' names without parameters, as c++filt gives them."""
    if not shutil.which("c++filt"):
        return {symbol: symbol for symbol in symbols}
    text = subprocess.run(["c++filt"], input="\n".join(symbols), capture_output=True, text=True, check=True).stdout
    names = [re.sub(r"\((?!anonymous namespace\)).*", "", re.sub(r"^void ", "", name)) for name in text.splitlines()]
    names = [re.sub(r"^moecal::\w+::(\(anonymous namespace\)::)?", "", name) for name in names]
    # CUTLASS writes a kernel's whole configuration into its name.
    return {symbol: name if len(name) <= 100 else name[:97] + "..." for symbol, name in zip(symbols, names)}


def report(kernels: list[dict]) -> int:
    names = readable([kernel["symbol"] for kernel in kernels])
    width = max((len(name) for name in names.values()), default=6)
    print(f"{'kernel':{width}} {'for':8} {'registers':>9} {'shared B':>9} {'stack B':>8} {'spilled B':>9}")
    for kernel in sorted(kernels, key=lambda k: (names[k["symbol"]], k["architecture"])):
        print(f"{names[kernel['symbol']]:{width}} {kernel['architecture']:8} {kernel['registers']:9} {kernel['shared']:9} "
              f"{kernel['stack']:8} {kernel['spills']:9}")
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
        kernels += parse(done.stderr)
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
