# Defines CUTLASS::CUTLASS, headers only. Looks in MOECAL_CUTLASS, then where scripts/packages.sh unpacks the Python
# package nvidia-cutlass, then where the active Python has it. MOECAL_CUTLASS=OFF: not looked for. Where the option is
# empty, the environment's MOECAL_CUTLASS is taken for it.
include(header_version)
set(_asked "${MOECAL_CUTLASS}")
if(_asked STREQUAL "")
  set(_asked "$ENV{MOECAL_CUTLASS}")
endif()
set(_places "${_asked}" "${PROJECT_SOURCE_DIR}/build/cutlass/cutlass_library/source/include")
find_program(_python python3)
if(_python AND _asked STREQUAL "")
  execute_process(
    COMMAND ${_python} -c "import importlib.util as u; s = u.find_spec('cutlass_library'); print(s.submodule_search_locations[0] if s else '')"
    OUTPUT_VARIABLE _package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  list(APPEND _places "${_package}/source/include")
endif()
unset(CUTLASS_INCLUDE_DIR)
if(NOT _asked STREQUAL "OFF")
  find_path(CUTLASS_INCLUDE_DIR cutlass/gemm/group_array_problem_shape.hpp PATHS ${_places} NO_DEFAULT_PATH NO_CACHE)
endif()
if(CUTLASS_INCLUDE_DIR)
  moecal_header_version(CUTLASS_VERSION "${CUTLASS_INCLUDE_DIR}/cutlass/version.h" CUTLASS_MAJOR CUTLASS_MINOR CUTLASS_PATCH)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUTLASS REQUIRED_VARS CUTLASS_INCLUDE_DIR VERSION_VAR CUTLASS_VERSION)
if(CUTLASS_FOUND AND NOT TARGET CUTLASS::CUTLASS)
  add_library(CUTLASS::CUTLASS INTERFACE IMPORTED)
  target_include_directories(CUTLASS::CUTLASS SYSTEM INTERFACE "${CUTLASS_INCLUDE_DIR}")
  # CUTLASS calls constexpr functions of the standard library in device code.
  target_compile_options(CUTLASS::CUTLASS INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>)
endif()
