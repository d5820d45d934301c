#!/bin/bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# Runs a test of kernels on the GPU under one of compute-sanitizer's tools; an error it finds fails the test.
# usage: compute_sanitizer.sh memcheck|racecheck TEST_PROGRAM
set -euo pipefail
skipped=77 # CTest's word for it (SKIP_RETURN_CODE)
sanitizer=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" 2>/dev/null || true)
[[ -n $sanitizer ]] || { echo "skipped: compute-sanitizer, part of the CUDA toolkit, is not installed"; exit $skipped; }
source "$(dirname "$0")/../scripts/packages.sh"
shows_gpu || { echo "skipped: there is no GPU here"; exit $skipped; }
options=()
# A library keeps memory of its own to the end of the process, which would count as ours that leaked.
libraries=$(ldd "$2" 2>/dev/null || true)
[[ $1 == memcheck && $libraries != *libcublas* ]] && options=(--leak-check full)
# A library's kernels order their warps in ways of their own, and are not ours to mend: only names within moecal.
[[ $1 == racecheck ]] && options=(--kernel-regex kns=moecal)
exec "$sanitizer" --tool "$1" "${options[@]}" --error-exitcode 1 "$2"
