# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Folders with packages of peers that somebody built. packages.txt has their names, for measure_card.sh too."""
from __future__ import annotations

import os
import pathlib
import sys

PACKAGES = pathlib.Path(__file__).with_name("packages.txt").read_text(encoding="utf-8").split()
NAMES = f"{', '.join(PACKAGES[:-1])} or {PACKAGES[-1]}"


def use_peer_paths(folders: list[str]) -> None:
    """The first one given is looked into first."""
    for folder in folders:
        if not any(os.path.exists(os.path.join(folder, package, "__init__.py")) for package in PACKAGES):
            raise SystemExit(f"peers.py: --peer-path {folder}: it holds no {NAMES} with its __init__.py; name the folder that "
                             "such a package lies in")
    sys.path[:0] = [os.path.abspath(folder) for folder in folders]
