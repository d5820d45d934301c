#!/usr/bin/env bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# scripts/fuzz.sh [SECONDS [TARGET...]]: builds the fuzzers with clang and runs every target, or those named, for
# so many seconds each (600), as many at once as there are processors. What breaks a reader is left in
# build/fuzz/found/TARGET: minimise it with -minimize_crash=1 and add it to tests/fuzz/corpus/TARGET, where the
# tests replay it.
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
fuzz() {  # TARGET; becomes the fuzzer, which fails where the reader broke
  local target=$1 corpus=build/fuzz/corpus/$1 found=build/fuzz/found/$1 seeds=() folder
  mkdir -p "$corpus" "$found"
  for folder in "interchange/fixtures/$target" "tests/fuzz/corpus/$target"; do
    if [[ -d "$folder" ]]; then seeds+=("$folder"); fi
  done
  MOECAL_FUZZ_TARGET=$target exec $fuzzer -max_total_time="$seconds" -timeout=10 -max_len=16384 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="$found/" "$corpus" "${seeds[@]}" >"$found/log" 2>&1
}

report() {  # TARGET STATUS
  say "$1: $(sed -n 's/.*number_of_executed_units: *//p' "build/fuzz/found/$1/log") inputs in $seconds s"
  [[ $2 -eq 0 ]] || { tail -n 20 "build/fuzz/found/$1/log"; broken+=("$1"); }
}

broken=()
declare -A target_of=()  # by process
# A script's background processes do not see Ctrl-C.
trap '[[ ${#target_of[@]} -eq 0 ]] || kill "${!target_of[@]}" 2>/dev/null || true' EXIT
finish_one() {
  local pid status=0
  wait -n -p pid || status=$?
  report "${target_of[$pid]}" "$status"
  unset "target_of[$pid]"
}
for target in "${targets[@]}"; do
  if [[ ${#target_of[@]} -ge $(nproc) ]]; then finish_one; fi
  fuzz "$target" &
  target_of[$!]=$target
done
while [[ ${#target_of[@]} -gt 0 ]]; do finish_one; done
[[ ${#broken[@]} -eq 0 ]] || { say "broken: ${broken[*]}; see build/fuzz/found"; exit 1; }
say "nothing found"
