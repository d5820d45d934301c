#!/usr/bin/env bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/measure_card.sh [--device cuda|cpu] [--suite NAME] [--out DIR] [--run-id NAME]

Measures this card and writes what a repository of results holds of it:
  DIR/results/observations/<card>/<run>.jsonl    every sample of the suite planner, skipped points too
  DIR/results/coefficients/<card>.json           the fit (and .csv)
  DIR/results/ratios/<card>.md                   the table of ratios: own kernels to a copy of the same bytes and to
                                                 peers (PyTorch where it is installed; each peer not run is named),
                                                 with date, driver and command

Runs from an unpacked bundle (scripts/bundle.sh) or from a clone, which is built first. A run that was cut goes on
with the same --out and --run-id.
  --device   default cuda
  --suite    default planner
  --out      default: the clone, else the current folder
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
device=cuda suite=planner out= run_id=
while [[ $# -gt 0 ]]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --device | --suite | --out | --run-id)
      [[ $# -ge 2 ]] || { echo "measure_card.sh: $1 needs a value; see --help" >&2; exit 2; }
      option=${1#--}
      printf -v "${option//-/_}" '%s' "$2"; shift 2 ;;
    *) echo "measure_card.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done
[[ $device == cuda || $device == cpu ]] || { echo "measure_card.sh: --device is cuda or cpu, not '$device'" >&2; exit 2; }

# moecal and its programs: the bundle's, those of MOECAL_BUILD, or a build of this clone.
if [[ -x $here/run.sh ]]; then
  moecal() { "$here/run.sh" "$@"; }
  peers=$here/peers/peers.py
  out=${out:-$PWD}
else
  root=$(dirname "$here")
  peers=$here/peers/peers.py
  out=${out:-$root}
  build=${MOECAL_BUILD:-}
  if [[ -z $build ]]; then
    preset=$([[ $device == cuda ]] && echo cuda || echo cpu)
    source "$here/packages.sh"
    [[ $device == cpu ]] || (cd "$root" && fetch_cutlass)
    build=$root/build/$preset-release
    (cd "$root" && cmake --preset "$preset" -B "$build" -DMOECAL_TESTS=OFF >/dev/null)
    cmake --build "$build"
  fi
  moecal() { "$build/bin/moecal" "$@"; }
fi

run_id=${run_id:-$(date -u +%Y-%m-%d)}
staging=$out/results/observations/unnamed
mkdir -p "$staging" "$out/results/coefficients" "$out/results/ratios"
observations=$staging/$run_id.jsonl
measured=0
moecal measure --suite "$suite" --device "$device" --energy --run-id "$run_id" --out "$observations" || measured=$?
[[ $measured -le 1 && -s $observations ]] || exit "$measured"

card=$(sed -n 's/.*"card":"\([^"]*\)".*"schema":"moecal.environment\/1".*/\1/p' "$observations" | sort -u)
[[ $(wc -w <<<"$card") == 1 ]] || { echo "measure_card.sh: the run names no single card: '$card'" >&2; exit 1; }
folder=$out/results/observations/$card
mkdir -p "$folder"
mv "$observations" "$folder/$run_id.jsonl"
rmdir "$staging" 2>/dev/null || true

moecal fit "$folder"/*.jsonl --card "$card" --out "$out/results/coefficients/$card.json"
python3 "$peers" "$folder/$run_id.jsonl" --device "$device" --command "scripts/measure_card.sh --device $device --suite $suite" \
  >"$out/results/ratios/$card.md"
cat "$out/results/ratios/$card.md"
printf 'wrote %s\n' "$folder/$run_id.jsonl" "$out/results/coefficients/$card.json" "$out/results/ratios/$card.md"
exit "$measured"
