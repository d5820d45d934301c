#!/usr/bin/env bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
Usage: scripts/fit_public.sh [options]

Makes results/coefficients/<card>.json from the public tables of aiconfigurator (Apache-2.0), of NCCL, GEMMs and,
where the card has them, MoE layers and DeepEP's exchanges: imports them, fits them, and writes the compact form,
and a flat CSV beside it. Without --data the tables come from the package aiconfigurator-core, pinned by hash and
installed into a virtual environment under .cache/.

  --card CARD    b200-sxm, h200-sxm, h100-sxm, a100-sxm-80, or all (default)
  --data DIR     read the tables as CSV from DIR instead of the package: DIR/nccl/<name>_<release>.csv and
                 DIR/gemm/<name>_full.csv.gz (or <name>_full.csv), e.g. DIR/nccl/b200_sxm_2.29.2.csv, and
                 DIR/moe/<name>.csv.gz and DIR/dispatch/deepep_<b200, h200>_<normal, ll>.csv
  --out DIR      where the coefficients go (default: results/coefficients)
  --moecal FILE  the moecal to use (default: build/cpu/bin/moecal, built if it is not there)
  --help         this text
TEXT
}

fail() { echo "fit_public.sh: $1" >&2; exit "${2:-1}"; }

cards=all data= out=results/coefficients moecal=
while [[ $# -gt 0 ]]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --card | --data | --out | --moecal)
      [[ $# -ge 2 ]] || fail "$1 needs a value; see --help" 2
      case "$1" in --card) cards=$2 ;; --data) data=$2 ;; --out) out=$2 ;; --moecal) moecal=$2 ;; esac
      shift 2 ;;
    *) fail "unknown option '$1'; see --help" 2 ;;
  esac
done

# card -> the tables' name for it, the NCCL release and the TensorRT-LLM release: the newest of each measured.
declare -A tables=(
  [b200-sxm]="b200_sxm 2.29.2 1.3.0rc20"
  [h200-sxm]="h200_sxm 2.29.2 1.3.0rc20"
  [h100-sxm]="h100_sxm 2.29.2 1.3.0rc20"
  [a100-sxm-80]="a100_sxm 2.27.3 1.0.0"
)
# card -> the release of the tables of MoE layers (TensorRT-LLM) and of exchanges (SGLang's DeepEP), where it has any.
declare -A layers=([b200-sxm]=1.3.0rc20 [h200-sxm]=1.3.0rc20 [a100-sxm-80]=1.0.0)
declare -A exchanges=([b200-sxm]=0.5.12 [h200-sxm]=0.5.12)
[[ $cards == all ]] && cards="b200-sxm h200-sxm h100-sxm a100-sxm-80"
for card in $cards; do
  [[ -n "${tables[$card]:-}" ]] || fail "no public tables of '$card'; known: ${!tables[*]}" 2
done

if [[ -z "$moecal" ]]; then
  moecal=build/cpu/bin/moecal
  if [[ ! -x $moecal ]]; then
    cmake --preset cpu >/dev/null
    cmake --build build/cpu --target moecal
  fi
fi
[[ -x $moecal ]] || fail "'$moecal' cannot be run" 2

python=/usr/bin/python3
[[ -x $python ]] || python=python3
systems=
if [[ -z "$data" ]]; then
  venv=.cache/public
  [[ -x $venv/bin/python ]] || "$python" -m venv "$venv" ||
    fail "cannot make a virtual environment: install python3-venv, or give the tables with --data"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
    --only-binary :all: -r scripts/requirements-public.txt ||
    fail "cannot install the pinned tables (Python 3.11 to 3.13 is needed); give them with --data"
  python=$venv/bin/python
  systems=$("$python" -c 'import importlib.util as u; print(u.find_spec("aiconfigurator_core").submodule_search_locations[0])')/systems/data
elif [[ ! -d "$data" ]]; then
  fail "'$data' is not a folder" 2
fi

# The tables of one card in canonical form, so that both sources give the same bytes. GEMMs are kept where the
# weights' sides are 512 to 16384: outside, tables differ between kernels, and thin shapes are all launch.
write_tables() {
  local name=$1 nccl_release=$2 gemm_release=$3 collectives gemms
  if [[ -n "$systems" ]]; then
    collectives=$systems/$name/comm/nccl/$nccl_release/nccl_perf.parquet
    gemms=$systems/$name/gemm/trtllm/$gemm_release/gemm_perf.parquet
  else
    collectives=$data/nccl/${name}_$nccl_release.csv
    gemms=$data/gemm/${name}_full.csv.gz
    [[ -e $gemms ]] || gemms=${gemms%.gz}
  fi
  "$python" scripts/parquet_to_csv.py "$collectives" --out "$work/${name}_nccl_$nccl_release.csv"
  "$python" scripts/parquet_to_csv.py "$gemms" --keep n:512..16384 --keep k:512..16384 \
    --out "$work/${name}_trtllm_gemm_$gemm_release.csv"
}

# canonical PACKAGE_TABLE DATA_TABLE NAME: one more table of the card in hand.
canonical() {
  local table=$data/$2
  [[ -n "$systems" ]] && table=$systems/$1
  "$python" scripts/parquet_to_csv.py "$table" --out "$work/$3"
  files+=("$work/$3")
}

write_further_tables() {
  local card=$1 name=$2 release mode
  if release=${layers[$card]:-} && [[ -n "$release" ]]; then
    canonical "$name/moe/trtllm/$release/moe_perf.parquet" "moe/$name.csv.gz" "${name}_trtllm_moe_$release.csv"
    source+=", $name/moe/trtllm/$release"
  fi
  if release=${exchanges[$card]:-} && [[ -n "$release" ]]; then
    for mode in normal ll; do
      canonical "$name/comm/sglang/$release/wideep_deepep_${mode}_perf.parquet" \
        "dispatch/deepep_${name%_sxm}_$mode.csv" "${name}_sglang_deepep_${mode}_$release.csv"
    done
    source+=", $name/comm/sglang/$release"
  fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
for card in $cards; do
  read -r name nccl_release gemm_release <<<"${tables[$card]}"
  write_tables "$name" "$nccl_release" "$gemm_release"
  files=("$work/${name}_nccl_$nccl_release.csv" "$work/${name}_trtllm_gemm_$gemm_release.csv")
  source="$name/comm/nccl/$nccl_release, $name/gemm/trtllm/$gemm_release (n and k from 512 to 16384)"
  write_further_tables "$card" "$name"
  "$moecal" import "${files[@]}" --card "$card" --out "$work/$card.jsonl"
  "$moecal" fit "$work/$card.jsonl" --compact --card "$card" --out "$out/$card.json" \
    --source "aiconfigurator 0.12.0 (Apache-2.0, https://github.com/ai-dynamo/aiconfigurator): tables $source; coefficients computed by moecal"
done
