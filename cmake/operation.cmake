# moecal_add_operation(permute): everything an operation's folder holds, found by file name.
#
#   permute.hpp          the contract           permute_cpu.cpp      the oracle
#   permute_onednn.cpp   CPU library            permute_cuda.cu      own CUDA kernel
#   permute_cublaslt.cpp, permute_cublas.cpp CUDA libraries           permute_mpi.cpp, permute_nccl.cpp  collectives
#   permute_test.cpp     the tests              permute_bench.cpp    sweep, work, implementations
#
# Makes the library moecal_permute (backends), and moecal_permute_bench that a program links.
# KERNELS_ON_CPU: the operation's test also runs its kernels. It is built twice: with <name>_cuda.cu
# compiled for the CPU (tests/cuda_on_cpu/README.md; any machine), and, in a CUDA build, for the GPU
# as <name>_gpu_test.
#
# SOURCES, CUDA_SOURCES: further files of the folder that belong to the operation; the latter only in a CUDA build.
# TESTS: further files of the folder that <name>_test is made of.
# BENCH_LIBRARIES: what <name>_bench.cpp needs beside the operation and bench/.
# USES: operations whose functions this one's call.
#
# A backend this build cannot have is left out; the folder's *_bench.cpp does not offer it then
# (core/build.hpp says what the build has). tests/ decides what is run.
function(moecal_add_operation name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "KERNELS_ON_CPU" "" "SOURCES;CUDA_SOURCES;TESTS;BENCH_LIBRARIES;USES")
  set(sources ${name}/${name}_cpu.cpp)
  set(libraries moecal_core moecal_runtime)
  foreach(used IN LISTS arg_USES)
    list(APPEND libraries moecal_${used})
  endforeach()
  _moecal_backend(${name} _local.cpp ON)
  _moecal_backend(${name} _onednn.cpp ON ${MOECAL_DNNL} OpenMP::OpenMP_CXX)
  _moecal_backend(${name} _cuda.cu ${MOECAL_HAS_CUDA} CUDA::cudart_static)
  _moecal_backend(${name} _cublas.cpp ${MOECAL_HAS_CUDA} CUDA::cublas CUDA::cudart_static)
  _moecal_backend(${name} _cublaslt.cpp ${MOECAL_HAS_CUDA} CUDA::cublasLt CUDA::cudart_static)
  _moecal_backend(${name} _mpi.cpp ${MOECAL_HAS_MPI} MPI::MPI_CXX)
  _moecal_backend(${name} _nccl.cpp ${MOECAL_HAS_NCCL} NCCL::NCCL CUDA::cudart_static)
  foreach(source IN LISTS arg_SOURCES)
    list(APPEND sources ${name}/${source})
  endforeach()
  if(MOECAL_HAS_CUDA)
    foreach(source IN LISTS arg_CUDA_SOURCES)
      list(APPEND sources ${name}/${source})
    endforeach()
  endif()
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/${name}_cpu.cpp)
    list(REMOVE_ITEM sources ${name}/${name}_cpu.cpp)
  endif()
  add_library(moecal_${name} STATIC ${sources})
  target_link_libraries(moecal_${name} PUBLIC ${libraries})
  add_library(moecal_${name}_bench STATIC ${name}/${name}_bench.cpp)
  target_link_libraries(moecal_${name}_bench PUBLIC moecal_${name} moecal_bench ${arg_BENCH_LIBRARIES})
  if(MOECAL_TESTS AND arg_KERNELS_ON_CPU)
    moecal_add_kernel_tests(${name} USES ${arg_USES})
  elseif(MOECAL_TESTS AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/${name}_test.cpp)
    list(TRANSFORM arg_TESTS PREPEND ${name}/)
    moecal_add_test(${name}_test SOURCES ${name}/${name}_test.cpp ${arg_TESTS} LIBRARIES moecal_${name}_bench)
  endif()
endfunction()

# Adds <name>/<name><suffix> and what it links to the caller's lists if the file exists and the build has it.
macro(_moecal_backend name suffix available)
  if(${available} AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/${name}${suffix})
    list(APPEND sources ${name}/${name}${suffix})
    list(APPEND libraries ${ARGN})
  endif()
endmacro()

# moecal_add_program(bench_permute permute unpermute): a standalone Google Benchmark program. The operations
# named are its catalog, in the order in which they are listed; its main is generated from
# bench/programs/program_main.cpp.in. moecal_add_program(bench_all_reduce RANKED all_reduce) makes one whose
# ranks are joined by moecal::make_control_plane (library moecal_runtime_mpi); the others are one rank and
# link no MPI.
function(moecal_add_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "RANKED" "" "")
  set(MOECAL_PROGRAM ${name})
  set(MOECAL_CATALOG_DECLARATIONS)
  set(MOECAL_CATALOG_ENTRIES)
  set(MOECAL_PLANE_FACTORY)
  set(libraries)
  if(arg_RANKED)
    set(MOECAL_PLANE_FACTORY ", moecal::make_control_plane")
    list(APPEND libraries moecal_runtime_mpi)
  endif()
  foreach(operation IN LISTS arg_UNPARSED_ARGUMENTS)
    string(APPEND MOECAL_CATALOG_DECLARATIONS "std::unique_ptr<Benchmark> make_${operation}();\n")
    list(APPEND MOECAL_CATALOG_ENTRIES "make_${operation}")
    list(APPEND libraries moecal_${operation}_bench)
  endforeach()
  list(JOIN MOECAL_CATALOG_ENTRIES ", " MOECAL_CATALOG_ENTRIES)
  configure_file(${PROJECT_SOURCE_DIR}/bench/programs/program_main.cpp.in ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp @ONLY)
  add_executable(${name} ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  target_link_libraries(${name} PRIVATE ${libraries} moecal_bench)
  set_property(GLOBAL APPEND PROPERTY MOECAL_PROGRAMS ${name})
  if(NOT arg_RANKED)
    set_property(GLOBAL APPEND PROPERTY MOECAL_PROGRAMS_OF_ONE_RANK ${name})
  endif()
  set_property(GLOBAL PROPERTY MOECAL_PROGRAM_${name} ${arg_UNPARSED_ARGUMENTS})
endfunction()
