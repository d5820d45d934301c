# moecal_add_test(x_test SOURCES a.cpp LIBRARIES l [RANKS 2 4] [LABELS gpu] [SANITIZER] [RACES])
#
# A GoogleTest program and the CTest entries that run it: once, or once per rank count under mpirun.
# SANITIZER: scripts/test.sh runs it under AddressSanitizer too (target sanitizer_tests, label sanitizer).
# RACES: scripts/test.sh runs it under ThreadSanitizer too (target race_tests, label races).
# Tests that time something carry the label `timing` and are not run by default.
if(MOECAL_TESTS)
  find_package(GTest REQUIRED)
  add_custom_target(sanitizer_tests)
  add_custom_target(race_tests)
endif()
# mpirun as root, more ranks than cores, and readable sanitizer stacks.
set(MOECAL_MPI_ENVIRONMENT
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
    OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_hwloc_base_binding_policy=none
    ASAN_OPTIONS=fast_unwind_on_malloc=0)

function(moecal_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SANITIZER;RACES" "" "SOURCES;LIBRARIES;RANKS;LABELS")
  if(arg_RANKS AND NOT MOECAL_HAS_MPI)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} GTest::gtest GTest::gmock)
  # GoogleTest's macros cost the optimiser a third of a test's compile time; what is tested is in the libraries.
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O1>)
  target_compile_definitions(${name} PRIVATE MOECAL_SOURCE_DIR="${PROJECT_SOURCE_DIR}" MOECAL_BINARY_DIR="${PROJECT_BINARY_DIR}")
  if(arg_SANITIZER)
    list(APPEND arg_LABELS sanitizer)
    add_dependencies(sanitizer_tests ${name})
  endif()
  if(arg_RACES)
    list(APPEND arg_LABELS races)
    add_dependencies(race_tests ${name})
  endif()
  if(arg_RANKS)
    foreach(ranks IN LISTS arg_RANKS)
      add_test(NAME ${name}_${ranks}_ranks COMMAND ${MPIEXEC_EXECUTABLE} -n ${ranks} $<TARGET_FILE:${name}>)
      set_tests_properties(${name}_${ranks}_ranks PROPERTIES LABELS "mpi;${arg_LABELS}" TIMEOUT 300
                           PROCESSORS 2 ENVIRONMENT "${MOECAL_MPI_ENVIRONMENT}")
    endforeach()
  else()
    target_link_libraries(${name} PRIVATE GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name})
    # Unoptimised and under a sanitizer the longest takes four minutes of an idle core.
    set(timeout 300)
    if(MOECAL_SANITIZER)
      set(timeout 1200)
    endif()
    set_tests_properties(${name} PROPERTIES LABELS "cpu;${arg_LABELS}" TIMEOUT ${timeout})
  endif()
endfunction()

# moecal_add_kernel_tests(permute): permute_test runs permute_cuda.cu compiled by the C++ compiler against the
# emulation in tests/cuda_on_cpu, permute_gpu_test the same text compiled by nvcc on a GPU;
# permute_memcheck and permute_racecheck run that under compute-sanitizer (ctest -L compute-sanitizer).
function(moecal_add_kernel_tests name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "USES")
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  # A .cpp that includes the .cu: the .cu itself belongs to nvcc in a CUDA build.
  file(RELATIVE_PATH kernels ${PROJECT_SOURCE_DIR} ${folder}/${name}_cuda.cu)
  file(CONFIGURE OUTPUT ${name}_cuda_on_cpu.cpp CONTENT "#include \"${kernels}\"\n")
  set(used_oracles ${arg_USES})
  list(TRANSFORM used_oracles REPLACE "(.+)" "${CMAKE_CURRENT_SOURCE_DIR}/\\1/\\1_cpu.cpp")
  moecal_add_test(
    ${name}_test SOURCES ${folder}/${name}_test.cpp ${folder}/${name}_cpu.cpp ${used_oracles}
                         ${CMAKE_CURRENT_BINARY_DIR}/${name}_cuda_on_cpu.cpp
    LIBRARIES moecal_cuda_on_cpu moecal_core SANITIZER RACES)
  # Before the project's root: <cuda_runtime.h> and "runtime/launch.cuh" are the emulation's.
  target_include_directories(${name}_test BEFORE PRIVATE ${PROJECT_SOURCE_DIR}/tests/cuda_on_cpu/include)
  if(MOECAL_HAS_CUDA)
    moecal_add_test(${name}_gpu_test SOURCES ${folder}/${name}_test.cpp LIBRARIES moecal_${name} LABELS gpu)
    moecal_check_on_gpu(${name} memcheck racecheck)
  endif()
endfunction()

# moecal_check_on_gpu(grouped_gemm memcheck): grouped_gemm_memcheck runs grouped_gemm_gpu_test under that tool of
# compute-sanitizer, where there is a GPU (else it says so and counts as skipped). racecheck looks at own kernels only.
function(moecal_check_on_gpu name)
  foreach(tool IN LISTS ARGN)
    add_test(NAME ${name}_${tool} COMMAND bash ${PROJECT_SOURCE_DIR}/tests/compute_sanitizer.sh ${tool} $<TARGET_FILE:${name}_gpu_test>)
    set_tests_properties(${name}_${tool} PROPERTIES LABELS "gpu;compute-sanitizer" TIMEOUT 600 SKIP_RETURN_CODE 77)
  endforeach()
endfunction()
