#!/usr/bin/env bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh

usage() {
  cat <<'TEXT'
Usage: scripts/calibrate.sh [options]

Installs what is missing, builds moecal, measures this machine, fits cost coefficients and checks the five
planning documents against them. Ends with a summary and the paths of what it wrote.

  --suite NAME    quick (default, a minute or two), planner (every primitive the documents need that this
                  machine can run), full, or a suite file
  --out DIR       where observations, coefficients and the check go (default: out/)
  --device NAME   auto (default: the GPUs if there are any, else the CPU), cpu, cuda
  --ranks N       ranks of the collectives (default: one per GPU; 4 on a CPU)
  --help          this text

A run that was cut goes on where it stopped: give the same --out again. After a run that finished, the same
--out gets another run, and the fit uses both.
TEXT
}

suite=quick out=out device=auto ranks=
while [[ $# -gt 0 ]]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --suite | --out | --device | --ranks)
      [[ $# -ge 2 ]] || { echo "calibrate.sh: $1 needs a value; see --help" >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"; shift 2 ;;
    *) echo "calibrate.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done

case "$device" in
  auto) if shows_gpu; then device=cuda; else device=cpu; fi ;;
  cpu | cuda) ;;
  *) echo "calibrate.sh: --device is auto, cpu or cuda, not '$device'" >&2; exit 2 ;;
esac
if [[ $device == cuda ]]; then
  toolkit=$(cuda_toolkit)
  [[ -n "$toolkit" ]] || { echo "calibrate.sh: no CUDA toolkit (nvcc 13.0 or newer) found; install one, or use --device cpu" >&2; exit 1; }
  export CUDACXX="$toolkit/bin/nvcc"
  preset=cuda-mpi
else
  preset=cpu
fi

install_packages "${moecal_build_packages[@]}"
[[ $device != cuda ]] || fetch_optional_headers
say "building (preset $preset)"
mkdir -p "$out"
build=build/$preset-release
cmake --preset "$preset" -B "$build" -DMOECAL_TESTS=OFF >"$out/configure.log" 2>&1 || { cat "$out/configure.log" >&2; exit 1; }
grep '^-- moecal:' "$out/configure.log" || true
cmake --build "$build" >"$out/build.log" 2>&1 || { tail -40 "$out/build.log" >&2; exit 1; }
moecal=$build/bin/moecal

say "measuring (suite $suite, device $device)"
# A run that was cut is resumed; one that finished is followed by a new one, so that repeats show how much
# runs differ.
[[ -f "$out/unfinished_run" ]] || date -u +%Y%m%dT%H%M%SZ >"$out/unfinished_run"
measured=0
"$moecal" measure --suite "$suite" --device "$device" ${ranks:+--ranks "$ranks"} \
  --run-id "$(cat "$out/unfinished_run")" --out "$out/observations.jsonl" || measured=$?
# 130: the user stopped it. Otherwise failed points are recorded, and the rest is still worth fitting.
[[ $measured -eq 130 || ! -s "$out/observations.jsonl" ]] && exit "$measured"
[[ $measured -ne 0 ]] || rm "$out/unfinished_run"

say "fitting"
"$moecal" fit "$out/observations.jsonl" --out "$out/coefficients.json" --csv "$out/coefficients.csv" | tee "$out/fit.txt"

say "checking the planning documents against this machine"
"$moecal" check --coefficients "$out/coefficients.json" >"$out/check.txt"
"$moecal" check --coefficients "$out/coefficients.json" --json >"$out/check.json"
sed -n '/^document /,/^all /p' "$out/check.txt"

say "wrote"
printf '  %-28s %s\n' "$out/observations.jsonl" "every point, raw samples, skipped and failed ones too" \
  "$out/coefficients.json" "the fitted cost coefficients, with intervals" \
  "$out/coefficients.csv" "the same as a flat table for planners" \
  "$out/check.txt" "the planning documents' claims, one by one (check.json: for programs)"
[[ $measured -eq 0 ]] || say "some points failed: see 'failed' in $out/observations.jsonl; run again to try them again"
exit "$measured"
