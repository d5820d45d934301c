# Defines CUDNN::frontend: the headers of cuDNN (9) and of its C++ frontend, compiled so that they load cuDNN when it is
# used: nothing links it. Looks for cudnn.h in MOECAL_CUDNN, in the CUDA toolkit, on the system, and where the active
# Python has nvidia-cudnn-cu13; for cudnn_frontend.h in MOECAL_CUDNN, where scripts/packages.sh unpacks the Python
# package nvidia-cudnn-frontend, and in the active Python's include folder. MOECAL_CUDNN=OFF: not looked for. Where the
# option is empty, the environment's MOECAL_CUDNN is taken for it.
set(_asked "${MOECAL_CUDNN}")
if(_asked STREQUAL "")
  set(_asked "$ENV{MOECAL_CUDNN}")
endif()
find_program(_python python3)
set(_package)
set(_data)
if(_python AND NOT _asked STREQUAL "OFF")
  execute_process(
    COMMAND ${_python} -c "import importlib.util as u; s = u.find_spec('nvidia'); print(list(s.submodule_search_locations)[0] if s else '')"
    OUTPUT_VARIABLE _package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(
    COMMAND ${_python} -c "import sysconfig; print(sysconfig.get_path('purelib'))"
    OUTPUT_VARIABLE _data OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
unset(CUDNN_INCLUDE_DIR)
unset(CUDNN_FRONTEND_INCLUDE_DIR)
if(NOT _asked STREQUAL "OFF")
  find_path(CUDNN_INCLUDE_DIR cudnn_graph.h PATHS "${_asked}" "${_asked}/include" ${CUDAToolkit_INCLUDE_DIRS} /usr/include
            /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} "${_package}/cudnn/include" NO_DEFAULT_PATH NO_CACHE)
  find_path(CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h
            PATHS "${_asked}" "${_asked}/include" "${PROJECT_SOURCE_DIR}/build/cudnn_frontend/include" "${_data}/include"
            NO_DEFAULT_PATH NO_CACHE)
endif()
function(_moecal_version_of result header)
  set(version)
  foreach(name ${ARGN})
    file(STRINGS "${header}" line REGEX "^#define ${name} ")
    string(REGEX MATCH "[0-9]+" number "${line}")
    list(APPEND version ${number})
  endforeach()
  list(JOIN version . version)
  set(${result} "${version}" PARENT_SCOPE)
endfunction()
if(CUDNN_INCLUDE_DIR)
  _moecal_version_of(CUDNN_VERSION "${CUDNN_INCLUDE_DIR}/cudnn_version.h" CUDNN_MAJOR CUDNN_MINOR CUDNN_PATCHLEVEL)
endif()
if(CUDNN_FRONTEND_INCLUDE_DIR)
  _moecal_version_of(CUDNN_FRONTEND_VERSION "${CUDNN_FRONTEND_INCLUDE_DIR}/cudnn_frontend_version.h"
                     CUDNN_FRONTEND_MAJOR_VERSION CUDNN_FRONTEND_MINOR_VERSION CUDNN_FRONTEND_PATCH_VERSION)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUDNN REQUIRED_VARS CUDNN_INCLUDE_DIR CUDNN_FRONTEND_INCLUDE_DIR VERSION_VAR CUDNN_VERSION)
if(CUDNN_FOUND AND CUDNN_FRONTEND_VERSION VERSION_LESS 1.32)
  message(STATUS "moecal: cuDNN's frontend ${CUDNN_FRONTEND_VERSION} is older than what was tested (1.32)")
  set(CUDNN_FOUND FALSE)
endif()
string(FIND "${CUDNN_INCLUDE_DIR};${CUDNN_FRONTEND_INCLUDE_DIR}" "${_asked}" _place)
if(NOT _asked MATCHES "^(OFF)?$" AND _place EQUAL -1)
  message(WARNING "MOECAL_CUDNN=${_asked} has neither cudnn_graph.h nor cudnn_frontend.h, there or in its include/")
endif()
if(CUDNN_FOUND AND NOT TARGET CUDNN::frontend)
  message(STATUS "moecal: cuDNN ${CUDNN_VERSION}, its frontend ${CUDNN_FRONTEND_VERSION}")
  add_library(CUDNN::frontend INTERFACE IMPORTED)
  target_include_directories(CUDNN::frontend SYSTEM INTERFACE "${CUDNN_FRONTEND_INCLUDE_DIR}" "${CUDNN_INCLUDE_DIR}")
  target_compile_definitions(CUDNN::frontend INTERFACE NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING CUDNN_FRONTEND_SKIP_JSON_LIB)
  target_link_libraries(CUDNN::frontend INTERFACE ${CMAKE_DL_LIBS})
endif()
