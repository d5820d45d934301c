#!/usr/bin/env bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# One rank of four 200 us late, and one that works three times as long, on real MPI ranks: writes the
# report results/accuracy/slow_rank.md. usage: scripts/slow_rank.sh [BUILD_DIR]   (default build/cpu)
# Wants four idle cores; with fewer, ranks wait for one another's time slices, which the report shows.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-build/cpu}/bin/slow_rank_report
report=results/accuracy/slow_rank.md
[[ -x $program ]] || { echo "slow_rank.sh: no $program; build its target slow_rank_report" >&2; exit 1; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_hwloc_base_binding_policy=none
load=$(cut -d' ' -f1 /proc/loadavg)
rows=$(mpirun -n 4 "$program")
{
  echo "# A late and a slow rank, on real MPI ranks"
  echo
  echo "Four ranks of one host wait 200 us each, as for a device, and then add 4 KiB. Expected: a start 200 us late is skew"
  echo "of 200 us of rank 2, with the transfer of the first row; three times the wait is transfer and batch 400 us longer,"
  echo "and no more skew. Ranks that share a core take turns: what the first row shows of that is in the others too."
  echo
  echo "$rows"
  echo
  echo "Command: \`scripts/slow_rank.sh\`, $(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD);" \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores, load $load before the start, $(mpirun --version | head -1)."
} > "$report"
echo "$report"
