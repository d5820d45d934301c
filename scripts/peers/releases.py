# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Which releases of cuBLAS and cuDNN moecal and PyTorch ran: both load them by one name, and a host may have several. A
ratio between two releases says how these differ too.

Usage: releases.py [DIR]...    prints the folders, separated by colons, in which PyTorch of this python3 (or of a DIR) has
                               CUDA 13's libraries as Python packages; nothing where it has not. PyTorch is not imported
"""
from __future__ import annotations

import collections
import ctypes
import importlib.util
import pathlib
import sys

CUBLAS = "libcublasLt.so.13"
CUDNN = "libcudnn.so.9"
# Of a record's library, which library it is of: these come in one package, or one is a part.
SAME = {"cuBLAS": "cuBLASLt", "moecal+cuBLASLt": "cuBLASLt"}


def dotted(number: int) -> str:
    """As both libraries give it: 130401 is 13.4.1."""
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def loaded_files(name: str, maps: str = "/proc/self/maps") -> list[str]:
    """The files of that name, whatever follows it, that this process has loaded."""
    lines = pathlib.Path(maps).read_text(encoding="utf-8", errors="replace").splitlines()
    paths = {line.split(maxsplit=5)[5] for line in lines if line.count(" /")}
    return sorted(path for path in paths if pathlib.PurePath(path).name.startswith(name))


def cublaslt_release(path: str) -> str:
    try:
        version = ctypes.CDLL(path).cublasLtGetVersion
    except (OSError, AttributeError) as error:  # as where the file was replaced since
        return f"unknown ({error})"
    version.restype = ctypes.c_size_t
    return dotted(version())


def releases_of(torch) -> dict[str, str]:
    """Of PyTorch's libraries, in its process; of several that are loaded each. Without those that it has not."""
    found = {"cuBLASLt": " and ".join(sorted({cublaslt_release(path) for path in loaded_files("libcublasLt.so")}))}
    try:
        found["cuDNN"] = dotted(torch.backends.cudnn.version() or 0)
    except (AttributeError, RuntimeError) as error:  # as it refuses a cuDNN that it was not built with
        found["cuDNN"] = f"unknown ({error})"
    return {name: release for name, release in found.items() if release not in ("", dotted(0))}


def measured_with(observations: list[dict]) -> dict[str, dict[str, set[str]]]:
    """Of each library that PyTorch has too: its releases, and the operations measured with it."""
    found: dict[str, dict[str, set[str]]] = collections.defaultdict(lambda: {"releases": set(), "operations": set()})
    for o in observations:
        library = o.get("library") or {}
        name = SAME.get(library.get("name", ""), library.get("name"))
        if name in ("cuBLASLt", "cuDNN"):
            found[name]["releases"].add(library.get("runtime_version") or "unknown")
            found[name]["operations"].add(o["operation"])
    return dict(sorted(found.items()))


def text(observations: list[dict], torch) -> str:
    """Lines for the head of the tables; empty without PyTorch, or where moecal ran no library that it has too."""
    ours = measured_with(observations) if torch is not None else {}
    theirs = releases_of(torch) if ours else {}
    lines = []
    for name, measured in ours.items():
        release, own = theirs.get(name, "none"), " and ".join(sorted(measured["releases"]))
        lines.append(f"{name}: moecal {own}, PyTorch {release}.")
        if release not in (own, "none"):
            lines[-1] += (f" **The releases differ: ratios of {', '.join(sorted(measured['operations']))} to what PyTorch does by "
                          f"{name} are the releases' too.**" + how_to_agree())
    return "\n".join(lines)


def how_to_agree() -> str:
    """Where PyTorch's are packages."""
    found = folders([])
    return f" To measure with PyTorch's: LD_LIBRARY_PATH={':'.join(found)}." if found else ""


def folders(of: list[str]) -> list[str]:
    """Only those of packages: another folder holds more than these libraries. `of`: looked into before sys.path."""
    sys.path[:0] = of
    try:
        spec = importlib.util.find_spec("torch")
    except (ImportError, ValueError):
        spec = None
    finally:
        del sys.path[: len(of)]
    if spec is None or not spec.origin:
        return []
    libraries = sorted(pathlib.Path(spec.origin).parents[1].glob("nvidia/*/lib"))
    found = [str(folder) for name in (CUBLAS, CUDNN) for folder in libraries if (folder / name).exists()]
    return list(dict.fromkeys(found)) if any((folder / CUBLAS).exists() for folder in libraries) else []


if __name__ == "__main__":
    print(":".join(folders(sys.argv[1:])))
