#!/usr/bin/env bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
Usage: scripts/check_other_machines.sh [--data DIR] [--card CARD] [--moecal FILE] [--compiler CXX] [--flags FLAGS]

Fits the public tables as other machines would, and compares every number with results/coefficients: all must agree
within a millionth. Other machines are:
  the same program on a processor without AVX2 and fused multiplication, whose C library's functions are others
  a program of another compiler, with 256-bit vectors and fused multiplication where the compiler may choose

  --data DIR      the public tables as CSV, as scripts/fit_public.sh takes them (default: as it gets them)
  --card CARD     only that one (default: all)
  --moecal FILE   this machine's moecal (default: build/cpu/bin/moecal)
  --compiler CXX  the other compiler (default: clang++); none: leave it out
  --flags FLAGS   its flags (default: -march=x86-64-v3 -ffp-contract=fast)
TEXT
}

fail() { echo "check_other_machines.sh: $1" >&2; exit "${2:-1}"; }

data=() card=all moecal=build/cpu/bin/moecal compiler=clang++ flags="-march=x86-64-v3 -ffp-contract=fast"
while [[ $# -gt 0 ]]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --data | --card | --moecal | --compiler | --flags)
      [[ $# -ge 2 ]] || fail "$1 needs a value; see --help" 2
      case "$1" in
        --data) data=(--data "$2") ;; --card) card=$2 ;; --moecal) moecal=$2 ;;
        --compiler) compiler=$2 ;; --flags) flags=$2 ;;
      esac
      shift 2 ;;
    *) fail "unknown option '$1'; see --help" 2 ;;
  esac
done
[[ -x $moecal ]] || fail "'$moecal' cannot be run: build it, or name one with --moecal" 2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
# compare NAME MOECAL [ENVIRONMENT]: one other machine's fits beside what is committed.
compare() {
  echo "$1"
  mkdir -p "$work/$1" "$work/committed"
  env ${3:+"$3"} scripts/fit_public.sh ${data[@]+"${data[@]}"} --card "$card" --moecal "$2" --out "$work/$1" >/dev/null
  rm -f "$work"/committed/*
  for file in "$work/$1"/*.json; do cp "results/coefficients/$(basename "$file")" "$work/committed"; done
  python3 scripts/compare_coefficients.py "$work/committed" "$work/$1" || failed=1
}

compare "without AVX2 and fused multiplication" "$moecal" GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA
if [[ $compiler != none ]]; then
  other=build/other-compiler
  cmake -S . -B $other -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_FLAGS="$flags" -DMOECAL_TESTS=OFF -DMOECAL_MPI=OFF >/dev/null
  cmake --build $other --target moecal >/dev/null
  compare "by $compiler $flags" "$other/bin/moecal"
fi
exit $failed
