#!/usr/bin/env bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/scripts/packages.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bundle.sh [--preset NAME | --build DIR] [--out FILE]

Packs moecal into one archive that runs where it is unpacked, without a compiler, MPI or the internet: programs,
the libraries they need beside glibc, the data that the verbs read, and run.sh. On a GPU host it needs
the NVIDIA driver and CUDA's libraries, from a toolkit or from PyPI wheels; run.sh finds them and names what is
missing. Ranks are joined by fork or TCP.

  --preset NAME  build this preset first (default: cuda with a CUDA toolkit, else cpu)
  --build DIR    pack what is built there instead
  --out FILE     default: moecal-<version>-<preset>-x86_64.tar.gz (as this machine is)
TEXT
}

largest_mb=60
preset= build= out=
while [[ $# -gt 0 ]]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --preset | --build | --out)
      [[ $# -ge 2 ]] || { echo "bundle.sh: $1 needs a value; see --help" >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"; shift 2 ;;
    *) echo "bundle.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
done

fail() { echo "bundle.sh: $1" >&2; exit 1; }
folder=$(dirname "${out:-$PWD/archive}")
[[ -d $folder && -w $folder ]] || fail "$folder cannot be written: name a file in a folder that can with --out"

if [[ -z "$build" ]]; then
  install_packages "${moecal_build_packages[@]}"
  toolkit=$(cuda_toolkit)
  [[ -z "$toolkit" ]] || { export CUDACXX="$toolkit/bin/nvcc"; (cd "$root" && fetch_optional_headers); }
  : "${preset:=$([[ -n "$toolkit" ]] && echo cuda || echo cpu)}"
  build=$root/build/bundle-$preset
  (cd "$root" && cmake --preset "$preset" -B "$build" -DMOECAL_MPI=OFF -DMOECAL_TESTS=OFF) | { grep '^-- moecal:' || true; }
  cmake --build "$build"
fi
[[ -x "$build/bin/moecal" ]] || fail "there is no $build/bin/moecal: build it first"
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
name=moecal-$version-${preset:-$(basename "$build")}-$(uname -m)
out=${out:-$name.tar.gz}

staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
place=$staging/$name
mkdir -p "$place/bin" "$place/lib/cxx" "$place/share/moecal/evaluation" "$place/share/moecal/results" "$place/slurm"

# What stays the host's: glibc, and what belongs to the driver and to CUDA. The C++ runtime comes along for
# hosts whose own is older than the compiler here wants: run.sh decides.
is_of_host() { case "$1" in libc.so* | libm.so* | libdl.so* | libpthread.so* | librt.so* | ld-linux* | linux-vdso*) true ;; *) false ;; esac; }
is_cxx_runtime() { case "$1" in libstdc++* | libgcc_s*) true ;; *) false ;; esac; }
is_of_cuda() { case "$1" in libcu* | libnv* | libnccl*) true ;; *) false ;; esac; }
needed_by() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

for program in "$build"/bin/moecal "$build"/bin/bench_*; do
  [[ -x "$program" && ! -d "$program" ]] || continue
  if needed_by "$program" | grep -q '^libmpi'; then
    say "$(basename "$program") is left out: it links MPI (a build with -DMOECAL_MPI=OFF does not)"
    continue
  fi
  cp "$program" "$place/bin/"
  strip "$place/bin/$(basename "$program")"
done

cuda_libraries=
for program in "$place"/bin/*; do
  while read -r library _ path _; do
    if is_of_host "$(basename "$library")"; then continue; fi
    if is_of_cuda "$library"; then
      cuda_libraries+="$library"$'\n'
    elif is_cxx_runtime "$library"; then
      cp -Lu "$path" "$place/lib/cxx/$library"
    elif [[ "$path" == /* ]]; then
      # A program that was built to find its libraries beside itself has found the copy already.
      [[ "$path" -ef "$place/lib/$library" ]] || cp -Lu "$path" "$place/lib/$library"
    else
      fail "$library, which $(basename "$program") needs, is not on this machine"
    fi
  done < <(ldd "$program" | grep '=>')
done
printf '%s' "$cuda_libraries" | sort -u >"$place/lib/needs_from_cuda"
# What a program loads if it is there, and does without.
if grep -qF libcudnn.so.9 "$place"/bin/bench_attention 2>/dev/null; then echo libcudnn.so.9 >"$place/lib/uses_from_cuda"; fi
# What they ask of the host, as run.sh reads it. The archive's own C++ runtime may ask for a newer glibc than the programs.
newest() { readelf -VW "${@:2}" | grep -o "$1_[0-9][0-9.]*" | sed 's/.*_//' | sort -V | tail -n 1; } # newest VERSIONS_OF FILE...
newest GLIBC "$place"/bin/* "$place"/lib/*.so* >"$place/lib/needs_glibc"
newest GLIBCXX "$place"/bin/* "$place"/lib/*.so* >"$place/lib/needs_glibcxx"
newest GLIBC "$place"/lib/cxx/* >"$place/lib/cxx/needs_glibc"

cp -r "$root/claims" "$root/hardware" "$place/share/moecal/"
cp -r "$root/results/coefficients" "$root/results/schema" "$place/share/moecal/results/"
cp "$root/evaluation/splits.json" "$place/share/moecal/evaluation/"
cp "$root"/scripts/slurm/*.sbatch "$place/slurm/"
cp "$root/scripts/bundle/run.sh" "$root/scripts/measure_card.sh" "$root/README.md" "$root/LICENSE" "$root/NOTICE" "$place/"
mkdir "$place/peers" "$place/results" "$place/bench" "$place/collectives"
cp "$root/results/README.md" "$place/results/"
cp "$root/bench/README.md" "$place/bench/"
cp "$root/collectives/README.md" "$place/collectives/"
cp "$root"/scripts/peers/*.py "$root/scripts/peers/packages.txt" "$place/peers/"

# An archive that was cut is none.
trap 'rm -rf "$staging" "$out.part"' EXIT
tar -C "$staging" --owner=0 --group=0 --sort=name -czf "$out.part" "$name" && mv "$out.part" "$out" ||
  fail "$out could not be written; is the disk full? Name another file with --out"
size=$(stat -c %s "$out")
say "$out: $((size / 1000000)) MB, $(ls "$place/bin" | wc -l) programs, for hosts with glibc $(cat "$place/lib/needs_glibc") or newer and a" \
  "libstdc++ with GLIBCXX_$(cat "$place/lib/needs_glibcxx"), or glibc $(cat "$place/lib/cxx/needs_glibc") or newer and any"
[[ $size -lt $((largest_mb * 1000000)) ]] || fail "over $largest_mb MB"
