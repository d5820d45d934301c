#!/usr/bin/env bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# scripts/fuzz.sh [SECONDS [TARGET...]]: builds the fuzzers with clang and runs every target, or those named, for
# so many seconds each (600). What breaks a reader is left in build/fuzz/found/TARGET: minimise it with
# -minimize_crash=1 and add it to tests/fuzz/corpus/TARGET, where the tests replay it.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh
install_packages "${moecal_build_packages[@]}" "${moecal_fuzz_packages[@]}"

seconds=${1:-600}
shift || true
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
fuzzer=build/fuzz/bin/fuzz_readers
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
  # The fuzzer names its targets when it is asked for none.
  read -ra targets <<<"$(MOECAL_FUZZ_TARGET='' $fuzzer 2>&1 | sed -n 's/.*there are: //p')"
fi
broken=()
for target in "${targets[@]}"; do
  corpus=build/fuzz/corpus/$target found=build/fuzz/found/$target
  mkdir -p "$corpus" "$found"
  seeds=()
  for folder in "interchange/fixtures/$target" "tests/fuzz/corpus/$target"; do
    if [[ -d "$folder" ]]; then seeds+=("$folder"); fi
  done
  say "$target: $seconds s"
  MOECAL_FUZZ_TARGET=$target $fuzzer -max_total_time="$seconds" -timeout=10 -max_len=16384 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="$found/" "$corpus" "${seeds[@]}" >"$found/log" 2>&1 || broken+=("$target")
  grep -h -E "number_of_executed_units|new_units_added" "$found/log" || tail -n 20 "$found/log"
done
[[ ${#broken[@]} -eq 0 ]] || { say "broken: ${broken[*]}; see build/fuzz/found"; exit 1; }
say "nothing found"
