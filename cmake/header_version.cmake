# moecal_header_version(NCCL_VERSION nccl.h NCCL_MAJOR NCCL_MINOR NCCL_PATCH): the numbers that a header defines by these
# names, with points between.
function(moecal_header_version result header)
  set(version)
  foreach(name ${ARGN})
    file(STRINGS "${header}" line REGEX "^#define ${name} ")
    string(REGEX MATCH "[0-9]+" number "${line}")
    list(APPEND version ${number})
  endforeach()
  list(JOIN version . version)
  set(${result} "${version}" PARENT_SCOPE)
endfunction()
