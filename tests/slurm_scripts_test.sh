#!/bin/bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# The examples under scripts/slurm are shell scripts that parse, and start programs of this project.
# usage: slurm_scripts_test.sh SOURCE_DIR
set -euo pipefail
shopt -s nullglob
scripts=("$1"/scripts/slurm/*.sbatch)
[[ ${#scripts[@]} -ge 2 ]] || { echo "no examples under $1/scripts/slurm" >&2; exit 1; }
for script in "${scripts[@]}"; do
  bash -n "$script"
  for operation in $(sed -n 's/^for operation in \(.*\); do$/\1/p' "$script"); do
    [[ -d $1/collectives/$operation ]] || { echo "$script: no operation $operation" >&2; exit 1; }
  done
done
