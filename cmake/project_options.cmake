# moecal_options: the one target that carries the language level, warnings, sanitizers and the include
# root. Every moecal target links it; nothing sets compiler flags anywhere else.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
# scripts/bundle.sh puts the libraries there; beside a build there is no such folder.
set(CMAKE_BUILD_RPATH "$ORIGIN/../lib")

find_program(MOECAL_CCACHE ccache)
if(MOECAL_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MOECAL_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${MOECAL_CCACHE})
endif()

add_library(moecal_options INTERFACE)
target_include_directories(moecal_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
target_compile_features(moecal_options INTERFACE cxx_std_20)
target_compile_options(
  moecal_options
  INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion>
    # -Wrestrict is wrong about std::string in GCC 12 (GCC bug 105651).
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>
    # CMake 3.25 does not know C++20 for nvcc 13 and silently ignores CUDA_STANDARD 20.
    $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>
    # A register spill is a build error: it would silently cost bandwidth. Not where most of the code is another
    # project's (the target's property MOECAL_FOREIGN_TEMPLATES): another nvcc may warn about that.
    "$<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<NOT:$<BOOL:$<TARGET_PROPERTY:MOECAL_FOREIGN_TEMPLATES>>>>:SHELL:-Xptxas -warn-spills,-Werror>")
if(MOECAL_SANITIZER)
  target_compile_options(moecal_options INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-fsanitize=${MOECAL_SANITIZER} -fno-sanitize-recover=all -fno-omit-frame-pointer -g>")
  target_link_options(moecal_options INTERFACE -fsanitize=${MOECAL_SANITIZER})
endif()
