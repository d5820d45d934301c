#!/bin/bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# cmake/FindNCCL.cmake and FindCUDNN.cmake on a host that has both as Python packages only, which lie in two places as those
# of a virtual environment and of the system do: a made-up python3 says where. Nothing else of this machine is looked at.
# usage: find_wheels_test.sh SOURCE_DIR
set -euo pipefail
source_dir=$1
unset NCCL_HOME
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "find_wheels_test.sh: $1" >&2; cat "$work/said" >&2; exit 1; }

mkdir -p "$work/project" "$work"/{one,two}/nvidia "$work/data/include"
cat >"$work/project/CMakeLists.txt" <<PROJECT
cmake_minimum_required(VERSION 3.25)
project(wheels LANGUAGES NONE)
set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH OFF)
set(CMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH OFF)
set(CMAKE_IGNORE_PATH /usr/include /usr/include/$(uname -m)-linux-gnu)
list(APPEND CMAKE_MODULE_PATH "$source_dir/cmake")
find_package(NCCL 2.27)
find_package(CUDNN 9)
message(STATUS "NCCL \${NCCL_FOUND} \${NCCL_VERSION} \${NCCL_LIBRARY}")
message(STATUS "CUDNN \${CUDNN_FOUND} \${CUDNN_VERSION} \${CUDNN_LIBRARY_DIR}")
PROJECT
cat >"$work/python" <<PYTHON
#!/bin/sh
case "\$2" in *nvidia*) echo "$work/one/nvidia;$work/two/nvidia" ;; *) exit 1 ;; esac
PYTHON
chmod +x "$work/python"
configure() { # configure PYTHON OPTION...
  rm -rf "$work/build"
  MOECAL_PYTHON=$1 cmake -S "$work/project" -B "$work/build" "${@:2}" >"$work/said" 2>&1 || fail "cmake ended badly"
}
says() { grep -qFx -e "-- $1" "$work/said" || fail "not said: $1"; }

put() { # put PACKAGE HEADER LIBRARY NAME_MAJOR MAJOR NAME_MINOR MINOR NAME_PATCH PATCH
  mkdir -p "$work/two/nvidia/$1"/{include,lib}
  printf '#define %s %s\n' "${@:4}" >"$work/two/nvidia/$1/include/$2"
  touch "$work/two/nvidia/$1/lib/$3"
}
put nccl nccl.h libnccl.so.2 NCCL_MAJOR 2 NCCL_MINOR 28 NCCL_PATCH 9
put cudnn cudnn_version.h libcudnn.so.9 CUDNN_MAJOR 9 CUDNN_MINOR 26 CUDNN_PATCHLEVEL 1
touch "$work/two/nvidia/cudnn/include/cudnn_graph.h"
touch "$work/data/include/cudnn_frontend.h"
printf '#define CUDNN_FRONTEND_%s_VERSION %s\n' MAJOR 1 MINOR 32 PATCH 0 >"$work/data/include/cudnn_frontend_version.h"

configure "$work/python" "-DMOECAL_CUDNN=$work/data"
says "NCCL TRUE 2.28.9 $work/two/nvidia/nccl/lib/libnccl.so.2"
says "CUDNN TRUE 9.26.1 $work/two/nvidia/cudnn/lib"

# A Python without the packages, or none at all, is no error.
for python in /bin/false "$work/none"; do
  configure "$python" "-DMOECAL_CUDNN=$work/data"
  grep -q '^-- NCCL FALSE ' "$work/said" || fail "NCCL was found by $python"
  grep -q '^-- CUDNN FALSE ' "$work/said" || fail "cuDNN was found by $python"
done

# The library is that of the header, also where another folder has one by a better name.
mkdir -p "$work/home"/{include,lib} "$work/other/lib"
printf '#define %s %s\n' NCCL_MAJOR 2 NCCL_MINOR 30 NCCL_PATCH 7 >"$work/home/include/nccl.h"
touch "$work/home/lib/libnccl.so.2" "$work/other/lib/libnccl.so"
NCCL_HOME=$work/home configure "$work/python" -DMOECAL_CUDNN=OFF "-DCUDAToolkit_LIBRARY_DIR=$work/other/lib"
says "NCCL TRUE 2.30.7 $work/home/lib/libnccl.so.2"
says "CUDNN FALSE  "

# A header of before the functions that moecal calls is left out.
put nccl nccl.h libnccl.so.2 NCCL_MAJOR 2 NCCL_MINOR 26 NCCL_PATCH 5
configure "$work/python" -DMOECAL_CUDNN=OFF
grep -q '^-- NCCL FALSE 2.26.5 ' "$work/said" || fail "an NCCL that is too old was taken"
