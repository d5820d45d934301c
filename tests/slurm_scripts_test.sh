#!/bin/bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# The collectives under scripts/slurm, on 2 and on 16 nodes, run with a stand-in for srun that starts the program of the
# same line as two ranks and has them list their points: every program exists, every option is known, and every
# collective and the layers of them are measured. Then one GPU's, with a stand-in for measure_card.sh. What is missing is
# named before anything is started.
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
  (cd "$work" && PATH="$work:$PATH" SRUN_LOG="$work/log" SLURM_JOB_ID=7 SLURM_JOB_NUM_NODES=$nodes MOECAL_BIN="$programs" bash "$script") >"$work/said"
  grep -q "To fit it: $programs/moecal fit collectives_${nodes}x8.jsonl --out collectives_${nodes}x8.json" "$work/said"
  grep -q "if the job is cut: MOECAL_BIN=$programs RUN_ID=slurm-7 .* sbatch --nodes=$nodes scripts/slurm/collectives.sbatch" "$work/said"
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

refused() { # refused SENTENCE SCRIPT VARIABLE...
  if (cd "$work" && env -u SLURM_JOB_ID -u SLURM_JOB_NUM_NODES PATH="$work:$PATH" "${@:3}" bash "$2") 2>"$work/said"; then
    echo "$2 ends well with ${*:3}" >&2
    exit 1
  fi
  grep -q "$1" "$work/said" || { echo "$2 with ${*:3}: the reason is not '$1':" >&2; cat "$work/said" >&2; exit 1; }
}
refused 'this is no job of Slurm' "$script" MOECAL_BIN="$programs"
job=(SLURM_JOB_ID=7 SLURM_JOB_NUM_NODES=2)
refused "there is no $work/nowhere/run.sh" "$script" "${job[@]}" MOECAL_BUNDLE="$work/nowhere"
refused "$work/nowhere/run.jsonl cannot be written" "$script" "${job[@]}" MOECAL_BIN="$programs" OUT="$work/nowhere/run.jsonl"

# Without a word of the user's: what a script of the clone has built, in the order of its flags; or the archive that is here.
clone=$work/clone
refused 'set MOECAL_BIN to the folder' "$script" "${job[@]}"
mkdir -p "$clone/build/cuda-release" "$work/archive/slurm" "$work/archive/bin"
ln -s "$programs" "$clone/build/cuda-release/bin"
says_fit() { (cd "$1" && env "${job[@]}" PATH="$work:$PATH" SRUN_LOG="$work/log" bash "$script") | sed -n 's/.*To fit it: //p'; }
[[ $(says_fit "$clone") == "build/cuda-release/bin/moecal fit "* ]]
printf 'MOECAL_BIN=%q\n' "$programs" >"$work/archive/run.sh"
chmod +x "$work/archive/run.sh"
[[ $(says_fit "$work/archive") == "$work/archive/run.sh fit "* ]]

one_gpu=$source_dir/scripts/slurm/kernels_1x1.sbatch
refused "there is no measure_card.sh in $work/nowhere" "$one_gpu" "${job[@]}" MOECAL_BUNDLE="$work/nowhere"
mkdir "$work/bundle" "$work/submitted"
printf '#!/bin/bash\necho "$@"\n' >"$work/bundle/measure_card.sh"
chmod +x "$work/bundle/measure_card.sh"
one_gpu_says() { (cd "$work/submitted" && env "${job[@]}" MOECAL_BUNDLE="$work/bundle" "$@" bash "$one_gpu" --energy); }
[[ $(one_gpu_says | tail -n 1) == "--out $work/submitted --run-id slurm-7 --energy" ]]
[[ $(one_gpu_says OUT=/elsewhere RUN_ID=slurm-6 | tail -n 1) == "--out /elsewhere --run-id slurm-6 --energy" ]]
# The line by which a job goes on names a script that is there, and is one that a shell takes.
mkdir "$work/bundle/slurm"
cp "$one_gpu" "$work/bundle/slurm/"
printf '#!/bin/bash\nexec bash "$@"\n' >"$work/sbatch"
chmod +x "$work/sbatch"
go_on=$(one_gpu_says | sed -n 's/.*if the job is cut: //p')
[[ $(cd / && env "${job[@]}" PATH="$work:$PATH" bash -c "$go_on" | tail -n 1) == "--out $work/submitted --run-id slurm-7 --energy" ]]
grep -q '^#SBATCH --cpus-per-task=' "$one_gpu"
