#!/usr/bin/env bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# clang-tidy over the C++ sources (all, or those given), with the compile commands of a build folder:
#   scripts/tidy.sh [--build DIR] [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh
build=build/cpu
[[ "${1:-}" == --build ]] && { build=$2; shift 2; }
install_packages clang-tidy-16:command:clang-tidy-16
[[ -f $build/compile_commands.json ]] || { echo "tidy.sh: no $build/compile_commands.json; configure that preset first" >&2; exit 1; }
files=("$@")
[[ ${#files[@]} -gt 0 ]] || mapfile -t files < <(git ls-files '*.cpp')
# Only what the build compiles: a backend it left out has no compile command.
printf '%s\n' "${files[@]}" | while read -r file; do grep -q "/$file\"" "$build/compile_commands.json" && printf '%s\n' "$file"; done |
  xargs -P "$(nproc)" -n 4 clang-tidy-16 --quiet --extra-arg=-Wno-unknown-warning-option -p "$build"
