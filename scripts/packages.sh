# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# Sourced by the other scripts: what moecal needs from the system, and how to get it on Debian.

# package:probe, where a probe is command:NAME, header:NAME (found by the C++ compiler), python:NAME (of the system's
# python3), module:NAME (of the PATH's) or file:PATH.
moecal_build_packages=(
  g++:command:g++ cmake:command:cmake ninja-build:command:ninja git:command:git
  libbenchmark-dev:header:benchmark/benchmark.h nlohmann-json3-dev:header:nlohmann/json.hpp
  libcli11-dev:header:CLI/CLI.hpp libtomlplusplus-dev:header:toml++/toml.h
  libmuparser-dev:header:muParser.h libeigen3-dev:header:eigen3/Eigen/Core libdnnl-dev:header:dnnl.h
  zlib1g-dev:header:zlib.h
  openmpi-bin:command:mpirun libopenmpi-dev:command:mpicc ccache:command:ccache
)
moecal_test_packages=(
  libgtest-dev:header:gtest/gtest.h libgmock-dev:header:gmock/gmock.h
  libboost-context-dev:header:boost/context/fiber.hpp clang-format:command:clang-format
  python3:command:python3 python3-jsonschema:python:jsonschema
)
# What optional headers are fetched with, where there is a CUDA toolkit.
moecal_headers_packages=(python3:command:python3 python3-pip:module:pip)

# Of scripts/fuzz.sh only. clang's runtime library holds libFuzzer.
moecal_fuzz_packages=(clang:command:clang++ libclang-rt-14-dev:file:/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a)

say() { printf '== %s\n' "$*"; }

probe_found() {
  case "$1" in
    command:*) command -v "${1#command:}" >/dev/null ;;
    header:*) g++ -std=c++20 -E -x c++ -include "${1#header:}" /dev/null >/dev/null 2>&1 ;;
    file:*) [[ -e "${1#file:}" ]] ;;
    module:*) python3 -c "import ${1#module:}" >/dev/null 2>&1 ;;
    python:*) /usr/bin/python3 -c "import ${1#python:}" >/dev/null 2>&1 ;;
  esac
}

# missing_packages LIST...: prints the packages whose probe fails.
missing_packages() {
  local entry
  for entry in "$@"; do
    probe_found "${entry#*:}" || printf '%s\n' "${entry%%:*}"
  done
}

# install_packages LIST...: installs what is missing where it can (root on Debian), else names it and goes on:
# what is really not there stops the build with its own message.
install_packages() {
  local missing log
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -eq 0 ]] && return 0
  if ! command -v apt-get >/dev/null; then
    say "not found: ${missing[*]} (Debian's names). This is not Debian: install them your way; going on without."
  elif [[ $EUID -ne 0 ]]; then
    say "not found: ${missing[*]}. Not root: ask for 'apt-get install ${missing[*]}'; going on without."
  else
    say "installing ${missing[*]}"
    log=$(apt-get update -qq 2>&1 && DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "${missing[@]}" 2>&1) || {
      printf '%s\n' "$log" >&2
      say "could not be installed, all or some: ${missing[*]}. Going on without: not every build needs them."
    }
  fi
}

# The folder of a CUDA toolkit that can build moecal (13.0 or newer), or nothing.
cuda_toolkit() {
  local nvcc version
  nvcc=$(command -v nvcc || ls "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" 2>/dev/null || true)
  [[ -n "$nvcc" ]] || return 0
  version=$("$nvcc" --version | sed -n 's/.*release \([0-9]*\)\..*/\1/p')
  if [[ "${version:-0}" -ge 13 ]]; then
    dirname "$(dirname "$(readlink -f "$nvcc")")"
  else
    say "$nvcc is CUDA ${version:-of unknown version}; moecal needs 13.0 or newer" >&2
  fi
}

# Headers out of a Python package, into a folder of build/ where cmake/Find*.cmake looks for them. Optional: where there
# is no pip or no internet, what needs them is left out. What is there is whole: it is unpacked aside.
#   fetch_headers WHOSE PACKAGE FOLDER HEADERS LEFT_OUT
fetch_headers() {
  local whose=$1 package=$2 folder=$3 headers=$4 left_out=$5 wheel
  [[ -e "$folder/$headers" ]] && return 0
  mkdir -p build
  wheel=$(mktemp -d build/headers.XXXXXX)
  if python3 -m pip download -q --retries 1 --timeout 20 --no-deps --only-binary :all: --disable-pip-version-check --dest "$wheel" "$package" >"$wheel/log" 2>&1 &&
    python3 - "$wheel" "$headers/" 2>>"$wheel/log" <<'PYTHON' && rm -rf "$folder" && mv "$wheel/unpacked" "$folder"
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = next(folder.glob("*.whl"))
with zipfile.ZipFile(wheel) as package:
    wanted = [name for name in package.namelist() if name.startswith(sys.argv[2]) or "licenses/" in name]
    package.extractall(folder / "unpacked", wanted)
PYTHON
  then
    say "$whose headers: $folder"
  else
    say "$whose headers could not be had ($(tail -n 1 "$wheel/log")): $left_out"
  fi
  rm -rf "$wheel"
}

# Not fetched where the environment's MOECAL_CUTLASS or MOECAL_CUDNN says OFF or names a folder. cuDNN's own headers come
# with the toolkit or the Python package nvidia-cudnn-cu13; the frontend's release is the one that is tested with them.
fetch_optional_headers() {
  install_packages "${moecal_headers_packages[@]}"
  [[ -n "${MOECAL_CUTLASS:-}" ]] ||
    fetch_headers "CUTLASS's" nvidia-cutlass==4.2.0.0 build/cutlass cutlass_library/source/include "its grouped products are left out"
  [[ -n "${MOECAL_CUDNN:-}" ]] ||
    fetch_headers "cuDNN's frontend's" nvidia-cudnn-frontend==1.32.0 build/cudnn_frontend include "its fused attention is left out"
}

# The number of GPUs that the driver shows.
gpu_count() {
  if command -v nvidia-smi >/dev/null; then nvidia-smi -L 2>/dev/null | grep -c '^GPU ' || true; else echo 0; fi
}
# Containers show GPUs' device files and may lack nvidia-smi.
shows_gpu() { [[ $(gpu_count) -gt 0 ]] || compgen -G '/dev/nvidia[0-9]*' >/dev/null; }
