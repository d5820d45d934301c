#!/bin/bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# Packs the build and runs quick measure -> fit -> check from the archive in a root file system that holds a shell, the
# C runtime, and nothing else: no compiler, no MPI, no library of this machine. Needs root.
# usage: bundle_test.sh SOURCE_DIR BUILD_DIR
set -euo pipefail
source_dir=$1 build=$2
skipped=77 # CTest's word for it (SKIP_RETURN_CODE)
[[ $EUID -eq 0 ]] || { echo "skipped: chroot needs root"; exit $skipped; }

work=$(mktemp -d)
# What is mounted is never removed through its mount.
unmount() { for place in proc usr/local/cuda-13.0/lib64/libnccl.so.2 usr/local/cuda-13.0/lib64; do umount "$work/root/$place" 2>/dev/null || true; done; }
trap 'unmount; rm -rf --one-file-system "$work"' EXIT
"$source_dir/scripts/bundle.sh" --build "$build" --out "$work/bundle.tar.gz"

root=$work/root
mkdir -p "$root"/{bin,dev,proc,tmp,opt}
mknod -m 666 "$root/dev/null" c 1 3 || { echo "skipped: device files cannot be made here"; exit $skipped; }
tar -C "$root/opt" -xzf "$work/bundle.tar.gz"
bundle=$(cd "$root" && echo opt/moecal-*)

# A file and the libraries that ldd names for it, at the same places.
copy_with_libraries() {
  cp --parents "$1" "$root"
  ldd "$1" | grep -o '/[^ ]*' | while read -r library; do cp -L --parents "$library" "$root"; done
}
cp "$(readlink -f /bin/sh)" "$root/bin/sh"
copy_with_libraries "$(readlink -f /bin/sh)"
# glibc is the host's; what else the programs need has to come with the bundle.
libc=$(ldd "$build/bin/moecal" | sed -n 's|.*libc.so.6 => \(/[^ ]*\).*|\1|p')
for runtime in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1; do # glibc
  cp -L --parents "$(dirname "$libc")/$runtime" "$root"
done
mount -t proc proc "$root/proc" 2>/dev/null || { echo "skipped: /proc cannot be mounted here"; exit $skipped; }
# A bundle of a build with CUDA finds CUDA's libraries where a host's toolkit has them.
if [[ -s $root/$bundle/lib/needs_from_cuda ]]; then
  cublaslt=$(ldd "$build/bin/bench_expert_gemm" | sed -n 's|.*libcublasLt.*=> \(/[^ ]*\).*|\1|p')
  [[ -n $cublaslt ]] ||
    { echo "ldd finds no libcublasLt for $build/bin/bench_expert_gemm: put the toolkit's lib64 into LD_LIBRARY_PATH" >&2; exit 1; }
  mkdir -p "$root/usr/local/cuda-13.0/lib64"
  mount --bind -o ro "$(dirname "$(readlink -f "$cublaslt")")" "$root/usr/local/cuda-13.0/lib64"
fi

change_root=$(PATH=$PATH:/usr/sbin command -v chroot)
inside() { env -i HOME=/tmp "$change_root" "$root" /bin/sh -c "cd /tmp && ${libraries:+LD_LIBRARY_PATH=$libraries} /$bundle/run.sh $*"; }
libraries= # what the user has set
[[ ! -e $root/usr/bin/gcc && ! -e $root/usr/bin/mpirun ]]

readelf -d "$root/$bundle/bin/bench_memory" | grep -q 'RUNPATH.*\$ORIGIN' ||
  { echo "the programs have no RUNPATH from \$ORIGIN" >&2; exit 1; }
# What measures a card comes with it (measure_card_test runs it), and its comparison finds its own modules.
for file in measure_card.sh README.md results/README.md bench/README.md collectives/README.md slurm/kernels_1x1.sbatch; do
  [[ -s $root/$bundle/$file ]] || { echo "$file is not in the archive" >&2; exit 1; }
done
if command -v python3 >/dev/null; then python3 -B "$root/$bundle/peers/peers.py" --help >/dev/null; fi
inside bench_expert_gemm --list >"$work/list.json"
if inside bench_nothing 2>"$work/said"; then echo "an unknown program was started" >&2; exit 1; fi
grep -q 'no bench_nothing in this archive; there are: .*bench_memory' "$work/said"
grep -q onednn "$work/list.json"
inside measure --suite quick --device cpu --only memory_copy --seconds-per-point 0.005 --run-id bundle --out /tmp/o.jsonl
# What is to be typed to go on is this script, not a program that finds no libraries.
inside measure --suite quick --device cpu --only memory_copy --time-limit 0 --out /tmp/limited.jsonl >"$work/said" || [[ $? == 3 ]]
grep -q "^to go on: /$bundle/run.sh measure --suite quick" "$work/said"
# NCCL is no part of a CUDA toolkit: without it the programs that need it are named, and the others measure.
if grep -q '^libnccl' "$root/$bundle/lib/needs_from_cuda"; then
  nccl=$root/usr/local/cuda-13.0/lib64/libnccl.so.2
  if [[ -e $nccl ]]; then
    touch "$work/empty"
    mount --bind -o ro "$work/empty" "$nccl"
  fi
  inside measure --suite quick --device cpu --only memory_copy --seconds-per-point 0.005 --run-id without_nccl \
    --out /tmp/without_nccl.jsonl >"$work/without_nccl.txt"
  grep -q '^bench_layers is left out: it cannot start: .*libnccl\.so' "$work/without_nccl.txt"
  [[ -s $root/tmp/without_nccl.jsonl ]]
fi
inside fit /tmp/o.jsonl --out /tmp/c.json
inside predict /tmp/c.json --operation memory_copy --point bytes=1048576
inside check --coefficients /tmp/c.json >"$work/check.txt"
grep -q '^all ' "$work/check.txt"
# The committed coefficients travel with it.
inside check --card b200-sxm --document b200-8gpu >"$work/b200.txt"
grep -q 'b200-8gpu' "$work/b200.txt"

# Without CUDA's libraries the script names the one that is missing, and what to do.
echo libcublasLt.so.99 >"$root/$bundle/lib/needs_from_cuda"
inside --help >/dev/null 2>"$work/said"
grep -q 'libcublasLt.so.99 is not on this machine' "$work/said"
# A job script that ends at the first failure goes on after it, although no Python is there to ask for wheels.
env -i "$change_root" "$root" /bin/sh -euc "MOECAL_BUNDLE=/$bundle MOECAL_ENVIRONMENT_ONLY=1; . /$bundle/run.sh; echo \$MOECAL_BIN" \
  >"$work/bin" 2>"$work/said"
[[ $(cat "$work/bin") == "/$bundle/bin" ]] || { echo "run.sh with MOECAL_ENVIRONMENT_ONLY ends a script that sources it" >&2; exit 1; }
mkdir -p "$root/usr/local/cuda-99.0/lib64"
touch "$root/usr/local/cuda-99.0/lib64/libcublasLt.so.99"
inside --help >/dev/null 2>"$work/said"
[[ ! -s $work/said ]] || { echo "a toolkit's library was not found:" >&2; cat "$work/said" >&2; exit 1; }
# A libstdc++ of the user's without the version that benchmarks need is passed over, also where it is new enough for moecal.
mkdir "$root/opt/older" "$root/opt/newer"
cp "$root/$bundle"/lib/cxx/*.so* "$root/opt/newer/"
version=$(cat "$root/$bundle/lib/needs_glibcxx")
LC_ALL=C sed "s/GLIBCXX_$version/GLIBCXX_${version//[0-9]/0}/g" "$root/opt/newer/libstdc++.so.6" >"$root/opt/older/libstdc++.so.6"
libraries=/opt/older
inside bench_memory --list >"$work/list.json" || { echo "a libstdc++ that is too old is before the archive's" >&2; exit 1; }
grep -q memory_copy "$work/list.json"
inside measure --suite quick --device cpu --only memory_copy --seconds-per-point 0.005 --out /tmp/older.jsonl >"$work/said" 2>&1 ||
  { echo "with a libstdc++ that is too old nothing is measured:" >&2; cat "$work/said" >&2; exit 1; }
# glibc may have what the programs need and not what the archive's own libstdc++ needs.
mkdir -p "$root/usr/bin"
printf '#!/bin/sh\necho glibc %s\n' "$(cat "$root/$bundle/lib/needs_glibc")" >"$root/usr/bin/getconf"
chmod +x "$root/usr/bin/getconf"
echo 2.99 >"$root/$bundle/lib/cxx/needs_glibc"
if inside bench_memory --list >"$work/list.json" 2>"$work/said"; then echo "a libstdc++ for a newer glibc was taken" >&2; exit 1; fi
grep -q 'need a libstdc++ with GLIBCXX_.* needs glibc 2.99' "$work/said"
libraries=/opt/newer
inside bench_memory --list >"$work/list.json" 2>"$work/said"
[[ ! -s $work/said ]] || { echo "the host's own libstdc++ was not taken:" >&2; cat "$work/said" >&2; exit 1; }
libraries=
# An older C library is named before the loader would.
printf '#!/bin/sh\necho glibc 2.17\n' >"$root/usr/bin/getconf"
if inside --help >/dev/null 2>"$work/said"; then echo "glibc 2.17 was accepted" >&2; exit 1; fi
grep -q 'need glibc 2\.[0-9]* or newer, and this machine has 2.17' "$work/said"
echo "measured, fitted and checked from the archive in a root file system without a compiler"
