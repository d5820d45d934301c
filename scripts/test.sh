#!/usr/bin/env bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, and passes all tests. With a CUDA toolkit the CUDA code is compiled and
# linked too; without one the build says what it left out.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh

install_packages "${moecal_build_packages[@]}" "${moecal_test_packages[@]}"

say "format and include direction"
if command -v clang-format >/dev/null; then
  git ls-files '*.cpp' '*.hpp' '*.cu' '*.cuh' | xargs clang-format --dry-run --Werror
fi
./scripts/check_includes

toolkit=$(cuda_toolkit)
if [[ -n "$toolkit" ]]; then
  preset=cuda-mpi
  export CUDACXX="$toolkit/bin/nvcc"
  say "CUDA toolkit: $toolkit"
  fetch_optional_headers
else
  preset=cpu
  say "no CUDA toolkit 13.0 or newer: the CUDA, cuBLASLt and NCCL code is left out of this build"
fi
say "building and testing (preset $preset)"
cmake --preset "$preset"
cmake --build --preset "$preset"
ctest --preset "$preset"
# GoogleTest counts what is skipped as passed: what was not looked at is said here, and at the end.
not_run=()
if [[ -z "${MOECAL_PUBLIC_DATA:-}" ]]; then
  not_run+=("the refits of results/coefficients, the scores of results/accuracy and the public logs: MOECAL_PUBLIC_DATA \
names no folder of the public tables (results/README.md says where they come from)")
fi
if [[ -z "${MOECAL_CLAIMS_ORACLE:-}" ]]; then
  not_run+=("the comparison with the hand-made catalogue of claims: MOECAL_CLAIMS_ORACLE names no file")
fi
on_gpu=""
if [[ -z "$toolkit" ]]; then
  not_run+=("the CUDA, cuBLASLt and NCCL code: no CUDA toolkit 13.0 or newer was found")
elif shows_gpu; then
  on_gpu=yes
else
  not_run+=("the tests on a GPU, compute-sanitizer's among them: none was found")
fi
for what in ${not_run[@]+"${not_run[@]}"}; do say "SKIPPED: $what"; done
if [[ -n "$on_gpu" ]]; then
  say "tests on the GPU"
  ctest --test-dir "build/$preset" --output-on-failure -L gpu
fi
if [[ -n "$toolkit" ]]; then
  say "the bundle for GPU hosts, which links no MPI, in a root file system without compilers"
  archive=$(mktemp)
  ./scripts/bundle.sh --out "$archive"
  rm "$archive"
  bash tests/bundle_test.sh "$PWD" "$PWD/build/bundle-cuda" || [[ $? -eq 77 ]] # 77: skipped, it said why
fi

say "CUDA kernels on the CPU under AddressSanitizer and UndefinedBehaviorSanitizer"
cmake --preset cpu-asan >/dev/null
cmake --build --preset cpu-asan --target sanitizer_tests
ctest --preset cpu-asan -L sanitizer

# GCC 12's ThreadSanitizer cannot start where addresses are randomised over 32 bits (vm.mmap_rnd_bits): without, then.
as_mapped=()
if setarch -R true 2>/dev/null; then as_mapped=(setarch -R); fi
# Whether a program does under ThreadSanitizer what it does without: nothing, and succeed.
race_check_starts() {
  local program started=0
  program=$(mktemp)
  g++ -fsanitize=thread -x c++ - -o "$program" <<<'int main() {}' && "${as_mapped[@]}" "$program" || started=$?
  rm "$program"
  return "$started"
}

if race_check_starts; then
  say "CUDA kernels on the CPU under ThreadSanitizer: a missing barrier is a data race"
  cmake --preset cpu-tsan >/dev/null
  cmake --build --preset cpu-tsan --target race_tests
  "${as_mapped[@]}" ctest --preset cpu-tsan -L races -j 2
  [[ ${#not_run[@]} -gt 0 ]] || say "all tests passed"
else
  say "skipped: the race tests, because no program under ThreadSanitizer starts here. GCC 12's needs vm.mmap_rnd_bits" \
    "of at most 28, or 'setarch -R' to be allowed"
  not_run+=("the race tests")
fi
if [[ ${#not_run[@]} -gt 0 ]]; then
  for what in "${not_run[@]}"; do say "SKIPPED: $what"; done
  say "all other tests passed"
fi
