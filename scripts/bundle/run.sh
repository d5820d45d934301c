#!/bin/sh
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# Runs moecal, or one of its programs, where the archive was unpacked:
#   ./run.sh measure --suite quick --out run.jsonl      any verb of moecal
#   ./run.sh bench_memory --device cuda                 one benchmark program
#   MOECAL_BUNDLE=$PWD MOECAL_ENVIRONMENT_ONLY=1; . ./run.sh    only sets the variables, for a job script in any shell
#   MOECAL_BUNDLE=$PWD; . ./run.sh --environment        the same in bash: other shells pass a sourced file no words
# CUDA's libraries are looked for in $LD_LIBRARY_PATH, $CUDA_HOME, /usr/local/cuda*, and in the wheels of the
# python3 of the PATH (nvidia-cublas, nvidia-nccl, ...) or of $MOECAL_PYTHON.
here=${MOECAL_BUNDLE:-$(cd "${0%/*}" 2>/dev/null && pwd)}
if [ ! -x "$here/bin/moecal" ]; then
  echo "run.sh: cannot tell where the archive was unpacked: set MOECAL_BUNDLE to that folder" >&2
  exit 1
fi

# "glibc 2.36"; nothing where it cannot be asked.
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || glibc=
has_glibc() { # has_glibc 2.35
  case "$glibc" in
    "glibc 2."*) [ "${glibc#glibc 2.}" -ge "${1#2.}" ] ;;
  esac
}
read -r needed_glibc <"$here/lib/needs_glibc"
if ! has_glibc "$needed_glibc"; then
  echo "run.sh: the programs need glibc $needed_glibc or newer, and this machine has ${glibc#glibc }: build the" \
    "archive on an older system" >&2
  exit 1
fi

wheel_folders() {
  "${MOECAL_PYTHON:-python3}" -c '
import glob, site, sys
roots = site.getsitepackages() + [site.getusersitepackages()] + sys.path
print("\n".join(sorted({folder for root in roots if root for folder in glob.glob(root + "/nvidia/*/lib")})))' 2>/dev/null || true # no Python, no wheels
}

# The folder that has the library, or nothing.
folder_of() {
  for folder in $candidates; do
    if [ -e "$folder/$1" ]; then
      echo "$folder"
      return
    fi
  done
}

# A folder is added once, behind what the user has set.
add_folder() {
  case ":$LD_LIBRARY_PATH:" in
    *":$1:"*) ;;
    *) LD_LIBRARY_PATH="$LD_LIBRARY_PATH${LD_LIBRARY_PATH:+:}$1" ;;
  esac
}

# Asked of the loader and of all programs: one that lacks a library of CUDA does not start, and they do not need the same.
# An old libstdc++ may be the system's, or come with a module (gcc/11) or a conda environment.
cxx_runtime_is_too_old() {
  for program in "$here"/bin/*; do
    case "$(LD_TRACE_LOADED_OBJECTS=1 "$program" 2>&1)" in
      *"version \`GLIBCXX_"* | *"version \`CXXABI_"* | *"version \`GCC_"* | *"libstdc++.so.6 => not found"* | *"libgcc_s.so.1 => not found"*)
        return 0
        ;;
    esac
  done
  return 1
}

# The host's C++ runtime, which its other libraries know, unless it is too old for these programs: then the archive's, before
# all that the user has set, where glibc has what that one needs.
choose_cxx_runtime() {
  cxx_runtime_is_too_old || return 0
  read -r cxx_needs_glibc <"$here/lib/cxx/needs_glibc"
  if has_glibc "$cxx_needs_glibc"; then
    LD_LIBRARY_PATH="$here/lib/cxx:$LD_LIBRARY_PATH"
    return
  fi
  read -r needed_glibcxx <"$here/lib/needs_glibcxx"
  echo "run.sh: the programs need a libstdc++ with GLIBCXX_$needed_glibcxx, which the one found here has not, and the" \
    "archive's own needs glibc $cxx_needs_glibc, where this machine has ${glibc#glibc }: unload the module that brings the old" \
    "one, name the folder of a newer one (GCC 12's has 3.4.30) first in LD_LIBRARY_PATH, or build the archive on an older" \
    "system" >&2
}

# What is measured without a library that is not here, if anything is.
say_what_is_left_out() {
  case "$2" in
    measure | bench_attention)
      echo "run.sh: $1 is not on this machine: fused attention will be skipped, all else is measured (install cuDNN 9, or" \
        "its wheel nvidia-cudnn-cu13, to have it)" >&2
      ;;
  esac
}

LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
if [ -s "$here/lib/needs_from_cuda" ]; then
  candidates="$(IFS=:; echo $LD_LIBRARY_PATH) ${CUDA_HOME:+$CUDA_HOME/lib64} $(echo /usr/local/cuda*/lib64) \
    /usr/lib/x86_64-linux-gnu /usr/lib64 /lib/x86_64-linux-gnu $(wheel_folders)"
  while read -r library; do
    folder=$(folder_of "$library")
    if [ -n "$folder" ]; then
      add_folder "$folder"
    else
      echo "run.sh: $library is not on this machine: these programs need CUDA 13's libraries, and NVIDIA's driver 580 or" \
        "newer. Install a CUDA 13 toolkit, or its wheels from PyPI (nvidia-cublas, nvidia-nccl-cu13, ...), and name its" \
        "folder in LD_LIBRARY_PATH" >&2
    fi
  done <"$here/lib/needs_from_cuda"
  if [ -s "$here/lib/uses_from_cuda" ]; then
    while read -r library; do
      folder=$(folder_of "$library")
      if [ -n "$folder" ]; then add_folder "$folder"; else say_what_is_left_out "$library" "${1:-}"; fi
    done <"$here/lib/uses_from_cuda"
  fi
fi
export LD_LIBRARY_PATH
choose_cxx_runtime
MOECAL_DATA_DIR=${MOECAL_DATA_DIR:-$here/share/moecal}
MOECAL_BIN=$here/bin
export MOECAL_DATA_DIR MOECAL_BIN

action=${1:-}
if [ -n "${MOECAL_ENVIRONMENT_ONLY:-}" ]; then
  action=--environment
  unset MOECAL_ENVIRONMENT_ONLY # later calls of this script do what they are asked
fi
case "$action" in
  --environment) ;;
  bench_*)
    program=$1
    shift
    if [ ! -x "$here/bin/$program" ]; then
      echo "run.sh: there is no $program in this archive; there are: $(cd "$here/bin" && echo bench_*)" >&2
      exit 2
    fi
    exec "$here/bin/$program" "$@"
    ;;
  *)
    MOECAL_COMMAND=$0 # what `measure` is to say where it says how to go on
    export MOECAL_COMMAND
    exec "$here/bin/moecal" "$@"
    ;;
esac
