#!/usr/bin/env bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mapfile -t peer_packages < <(cat "$here/peers/packages.txt" 2>/dev/null) # of those that --peer-path may name
printf -v peer_names '%s, ' "${peer_packages[@]}"
peer_names=${peer_names%, }

usage() {
  sed "s/PEER_PACKAGES/$peer_names/" <<'TEXT'
Usage: scripts/measure_card.sh [--device cuda|cpu] [--suite NAME] [--card NAME] [--energy] [--with FILE]
                               [--peer-path DIR] [--peer-seconds S] [--out DIR] [--run-id NAME]

Measures this card and writes what a repository of results holds of it:
  DIR/results/observations/<card>/<run>.jsonl    every sample of the suite planner, skipped points too
  DIR/results/coefficients/<card>.json           the fit of all runs of the card (and .csv). Where coefficients of
                                                 other observations have that name (public tables'), they stay as
                                                 they are, and the fit is coefficients/measured/<card>.json
  DIR/results/ratios/<card>/<run>.md             the tables of ratios: own kernels to a copy of the same bytes and to
                                                 peers (PyTorch, vLLM, TransformerEngine, SGLang, DeepGEMM, where Python
                                                 finds them; each not run is named), with date, driver and command.
                                                 Needs a python3; without one the rest is written all the same
  DIR/results/ratios/<card>/<run>.csv            a line for every time of a peer, written when it is taken

Runs from an unpacked bundle (scripts/bundle.sh) or from a clone, which is built first. A run that was cut goes on
with the same --out and --run-id; another --run-id is another run, and the fit uses all of them.
  --device   default cuda
  --suite    default planner
  --card     what to call the card, where moecal does not know the device's own name
  --energy   measure the energy of a launch too: a second more for each point and cache policy, so half an hour
             for the suite planner, which then has no time limit
  --with     fit these observations (e.g. public tables, imported) together with the runs; may be given again
  --peer-path  where a package that you have built lies, with its __init__.py; may be given again. (PYTHONPATH does the
             same.) They need the PyTorch that they were built for. One of: PEER_PACKAGES
  --peer-seconds  after which no further point of a peer is begun: three fifths for operators and packages, then two
             fifths for torch.compile (default 300: 180 and 120; 0: no peer is run). With the suite planner's two minutes
             and the fit a run takes under ten
  --out      default: the clone, else the current folder
  --run-id   default: the time now
The peers are run by the python3 of the PATH, or by $MOECAL_PYTHON.
TEXT
}

fail() { echo "measure_card.sh: $1" >&2; exit "${2:-1}"; }

device=cuda suite=planner card='' energy='' out='' run_id='' with=() peer_paths=() peer_seconds=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --energy) energy=--energy; shift ;;
    --device | --suite | --card | --with | --peer-path | --peer-seconds | --out | --run-id)
      [[ $# -ge 2 && -n $2 ]] || fail "$1 needs a value; see --help" 2
      case "$1" in
        --device) device=$2 ;; --suite) suite=$2 ;; --card) card=$2 ;;
        --with) with+=("$2") ;; --peer-path) peer_paths+=("$2") ;; --peer-seconds) peer_seconds=$2 ;;
        --out) out=$2 ;; --run-id) run_id=$2 ;;
      esac
      shift 2 ;;
    *) fail "unknown option '$1'; see --help" 2 ;;
  esac
done
[[ $device == cuda || $device == cpu ]] || fail "--device is cuda or cpu, not '$device'" 2
[[ -z $peer_seconds || $peer_seconds =~ ^[0-9]{1,6}$ ]] || fail "--peer-seconds is a whole number of seconds, not '$peer_seconds'" 2
[[ $run_id != */* ]] || fail "--run-id names a file: '$run_id' has a slash" 2
for file in "${with[@]}"; do [[ -r $file ]] || fail "--with $file: there is no such file to read" 2; done
holds_a_peer() {
  local package
  for package in "${peer_packages[@]}"; do [[ ! -e $1/$package/__init__.py ]] || return 0; done
  return 1
}
for folder in "${peer_paths[@]}"; do
  holds_a_peer "$folder" || fail "--peer-path $folder: it holds none of $peer_names with its __init__.py;\
 name the folder that such a package lies in" 2
done
python=${MOECAL_PYTHON:-python3}
[[ -z ${MOECAL_PYTHON:-} ]] || command -v "$python" >/dev/null || fail "MOECAL_PYTHON=$python: there is no such program" 2
command="measure_card.sh --device $device --suite $suite${card:+ --card $card}${energy:+ $energy}"
command+=${peer_seconds:+ --peer-seconds $peer_seconds}

# Asked before anything is built or measured.
check_out() {
  mkdir -p "$out/results" 2>/dev/null && [[ -w $out/results ]] ||
    fail "$out/results cannot be written: name a folder that can with --out, or make it writable"
}

build_clone() {
  local preset=cpu toolkit
  # shellcheck source=scripts/packages.sh
  source "$here/packages.sh"
  if [[ $device == cuda ]]; then
    shows_gpu || fail "this machine shows no GPU: measure where there is one (scripts/bundle.sh packs what needs no compiler\
 there), or with --device cpu"
    preset=cuda
    toolkit=$(cuda_toolkit)
    [[ -n $toolkit ]] || fail "no CUDA toolkit (nvcc 13.0 or newer) found; install one, or measure from a bundle (scripts/bundle.sh)"
    export CUDACXX=$toolkit/bin/nvcc
  fi
  install_packages "${moecal_build_packages[@]}"
  [[ $device != cuda ]] || (cd "$root" && fetch_optional_headers)
  build=$root/build/$preset-release
  (cd "$root" && cmake --preset "$preset" -B "$build" -DMOECAL_TESTS=OFF) | { grep '^-- moecal:' || true; } >&2
  cmake --build "$build"
}

# moecal and its programs: the bundle's, those of MOECAL_BUILD, or a build of this clone.
committed= # coefficients that come with moecal
if [[ -x $here/run.sh ]]; then
  moecal() { "$here/run.sh" "$@"; }
  committed=$here/share/moecal/results/coefficients
  out=${out:-$PWD}
  check_out
else
  root=$(dirname "$here")
  out=${out:-$root}
  check_out
  build=${MOECAL_BUILD:-}
  [[ -n $build ]] || build_clone
  moecal() { "$build/bin/moecal" "$@"; }
fi

# Products of both sides by one release, where PyTorch has CUDA 13's libraries as packages. What the user has set comes first.
if [[ $device == cuda ]] && folders=$("$python" "$here/peers/releases.py" "${peer_paths[@]}" 2>/dev/null) && [[ -n $folders ]]; then
  export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folders
  echo "measure_card.sh: cuBLAS and cuDNN are PyTorch's, so that ratios are of one release: LD_LIBRARY_PATH=$LD_LIBRARY_PATH" >&2
fi

# A run of that name goes on in its own file, wherever the card's name has put it.
run_id=${run_id:-$(date -u +%Y%m%dT%H%M%SZ)}
observations=$out/results/observations/unnamed/$run_id.jsonl
for file in "$out"/results/observations/*/"$run_id.jsonl"; do
  [[ -e $file && $file != "$observations" ]] || continue
  [[ ! -e $observations ]] || fail "both $observations and $file are of the run $run_id: name the run that is to go on otherwise"
  observations=$file
done
mkdir -p "$(dirname "$observations")"
# Whatever ends the run, what was measured by then is in that file.
interrupted=
trap 'interrupted=yes' INT TERM
# A job script says itself how it goes on, and hands that down.
[[ -n ${MOECAL_GO_ON:-} ]] ||
  echo "measure_card.sh: this is the run $run_id: if it is cut, the same command with --run-id $run_id goes on" >&2
say_how_to_go_on() {
  local words=(${MOECAL_BUILD:+"MOECAL_BUILD=$MOECAL_BUILD"} ${MOECAL_PYTHON:+"MOECAL_PYTHON=$MOECAL_PYTHON"} "$0")
  words+=(--device "$device" --suite "$suite" ${card:+--card "$card"} ${energy:+"$energy"})
  for file in "${with[@]}"; do words+=(--with "$file"); done
  for folder in "${peer_paths[@]}"; do words+=(--peer-path "$folder"); done
  words+=(${peer_seconds:+--peer-seconds "$peer_seconds"} --out "$out" --run-id "$run_id")
  echo "measure_card.sh: to go on: ${MOECAL_GO_ON:-$(printf '%q ' "${words[@]}")}" >&2
}
end_if_interrupted() {
  [[ -n $interrupted ]] || return 0
  echo "measure_card.sh: interrupted $1; what was measured is in $observations" >&2
  say_how_to_go_on
  exit 130
}
measured=0
# moecal's own line for going on names a file that is moved below. Ctrl-C is moecal's, which still has to say more.
said=$(mktemp) || said=/dev/null
trap '[[ $said == /dev/null ]] || rm -f "$said"' EXIT
moecal measure --suite "$suite" --device "$device" ${card:+--card "$card"} ${energy:+"$energy"} --run-id "$run_id" \
  --out "$observations" | (trap '' INT TERM; tee "$said" | sed '/^to go on: /d') || measured=${PIPESTATUS[0]}
# 1: failed points are recorded, and the rest is still worth fitting.
if [[ $measured -gt 1 || ! -s $observations ]]; then
  rmdir "$(dirname "$observations")" 2>/dev/null || true
  [[ ! -s $observations ]] || say_how_to_go_on
  [[ $measured -ne 0 ]] || fail "nothing was written to $observations"
  exit "$measured"
fi
end_if_interrupted "while measuring"

card=$(sed -n 's/.*"card":"\([^"]*\)".*"schema":"moecal.environment\/1".*/\1/p' "$observations" | sort -u)
[[ $(wc -w <<<"$card") == 1 ]] || fail "$observations names no single card: '$card'; name it with --card"
folder=$out/results/observations/$card
if [[ $observations != "$folder/$run_id.jsonl" ]]; then
  mkdir -p "$folder"
  [[ ! -e $folder/$run_id.jsonl ]] || fail "$folder/$run_id.jsonl is another run: $observations stays where it is"
  mv "$observations" "$folder/$run_id.jsonl"
  rmdir "$(dirname "$observations")" 2>/dev/null || true
fi
observations=$folder/$run_id.jsonl

# Coefficients are replaced by a fit of the same card's runs only, which their source tells.
source="measure_card.sh: observations/$card"
is_own() { grep -q "^ \"source\": \"$source" "$1"; }
coefficients=$out/results/coefficients/$card.json
if [[ -n $committed && -e $committed/$card.json ]] || { [[ -e $coefficients ]] && ! is_own "$coefficients"; }; then
  coefficients=$out/results/coefficients/measured/$card.json
  [[ ! -e $coefficients ]] || is_own "$coefficients" || fail "$coefficients is of other observations, and is left as it is"
fi
# An earlier fit is replaced by a whole one only.
fitted=0
part=${coefficients%.json}.part
mkdir -p "$(dirname "$coefficients")" && moecal fit "$folder"/*.jsonl "${with[@]}" --card "$card" --out "$part.json" \
  --source "$source${with[*]:+ with ${with[*]##*/}}" | sed '/^wrote /d' || fitted=$?
if [[ $fitted -eq 0 ]]; then
  mv "$part.csv" "${coefficients%.json}.csv"
  mv "$part.json" "$coefficients"
else
  rm -f "$part.json" "$part.csv"
fi
end_if_interrupted "while fitting"
written=("$observations")
[[ $fitted -ne 0 ]] || written+=("$coefficients" "${coefficients%.json}.csv")

# What a run's peers took stays when the run goes on: tables are added.
ratios=$out/results/ratios/$card/$run_id.md
compared=0
# A signal that this shell alone is sent (Slurm's) ends the peers too; they print the tables of what they have, and 130 is
# their status.
wait_for() { # wait_for PID: into compared
  local is_woken=yes
  trap 'interrupted=yes is_woken=yes; kill -TERM "$1" 2>/dev/null || true' INT TERM
  while [[ -n $is_woken ]]; do
    is_woken='' compared=0
    wait "$1" || compared=$?
  done
  trap 'interrupted=yes' INT TERM
}
bytes_of() { if [[ -f $1 ]]; then wc -c <"$1"; else echo 0; fi; }
compare_with_peers() {
  local words=("$here/peers/peers.py" "$observations" --device "$device" --out "$ratios") folder file before=()
  for folder in "${peer_paths[@]}"; do words+=(--peer-path "$folder"); done
  [[ -z $peer_seconds ]] ||
    words+=(--seconds $((10#$peer_seconds * 3 / 5)) --compile-seconds $((10#$peer_seconds - 10#$peer_seconds * 3 / 5)))
  for file in "$ratios" "${ratios%.md}.csv"; do before+=("$(bytes_of "$file")"); done
  "$python" "${words[@]}" --command "$command" &
  wait_for $!
  for file in "$ratios" "${ratios%.md}.csv"; do
    [[ $(bytes_of "$file") -le ${before[0]} ]] || written+=("$file")
    before=("${before[@]:1}")
  done
  [[ $compared -eq 0 || $compared -eq 130 ]] ||
    echo "measure_card.sh: the ratios are not complete; what was measured is kept. To try again:" \
      "$(printf '%q ' "$python" "${words[@]}")" >&2
}
if command -v "$python" >/dev/null; then
  compare_with_peers
else
  echo "measure_card.sh: no python3 here, so there are no ratios to peers and to a copy: where there is one, run" \
    "peers/peers.py on $observations"
fi
printf 'wrote %s\n' "${written[@]}"
end_if_interrupted "while peers were run"
! grep -q '^to go on: ' "$said" || say_how_to_go_on
for status in "$measured" "$fitted" "$compared"; do [[ $status -eq 0 ]] || exit "$status"; done
