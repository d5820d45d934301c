#!/bin/bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# The collectives under scripts/slurm, on 2 and on 16 nodes, run with a stand-in for srun that starts the program of the
# same line as two ranks and has them list their points: every program exists, every option is known, and every
# collective and the layers of them are measured.
# usage: slurm_scripts_test.sh SOURCE_DIR PROGRAM_DIR
set -euo pipefail
source_dir=$1 programs=$2
script=$source_dir/scripts/slurm/collectives.sbatch
[[ -f $script ]] || { echo "no $script" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/srun" <<'STUB'
#!/bin/bash
set -e
for option in --mpi=none --cpu-bind=none --kill-on-bad-exit=0 --wait=60; do # what srun is to be told
  [[ $1 == "$option" ]] || { echo "srun: $1 where $option was expected" >&2; exit 1; }
  shift
done
basename "$1" >>"$SRUN_LOG"
[[ " $* " == *" --out collectives_${SLURM_JOB_NUM_NODES}x8.jsonl "* ]] ||
  { echo "srun: $* does not write to a file of its nodes" >&2; exit 1; }
[[ " $* " == *" --device cuda "* ]]
arguments=("${@:2}")
MOECAL_RANKS=2 exec "$1" "${arguments[@]/#cuda/cpu}" --benchmark_list_tests >/dev/null
STUB
chmod +x "$work/srun"

expected=$(cd "$source_dir/collectives" && { for folder in */; do echo "bench_${folder%/}"; done; echo bench_layers; } | sort)
for nodes in 2 16; do
  : >"$work/log"
  (cd "$work" && PATH="$work:$PATH" SRUN_LOG="$work/log" SLURM_JOB_ID=7 SLURM_JOB_NUM_NODES=$nodes MOECAL_BIN="$programs" bash "$script")
  if ! diff <(echo "$expected") <(sort "$work/log"); then
    echo "$script does not start every collective of this project (< expected, > started)" >&2
    exit 1
  fi
  if (cd "$work" && PATH="$work:$PATH" SLURM_JOB_ID=7 SLURM_JOB_NUM_NODES=$nodes MOECAL_BIN="$work/nowhere" bash "$script") 2>"$work/said"; then
    echo "$script ends well where there is no program" >&2
    exit 1
  fi
  grep -q MOECAL_BIN "$work/said"
done
