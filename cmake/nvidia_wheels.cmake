# moecal_nvidia_wheels(folders): the folders in which $MOECAL_PYTHON, else the active Python, has NVIDIA's libraries as packages
# (nvidia-cudnn-cu13, nvidia-nccl-cu13, ...): cudnn/include and cudnn/lib, nccl/include and nccl/lib. Empty where there are none.
include_guard()
function(moecal_nvidia_wheels result)
  set(python "$ENV{MOECAL_PYTHON}")
  if(python STREQUAL "")
    set(python python3)
  endif()
  # The package has no file of its own, and may lie in several places. No such Python is no wheels.
  execute_process(
    COMMAND ${python} -c "import importlib.util as u; s = u.find_spec('nvidia'); print(';'.join(s.submodule_search_locations) if s else '')"
    OUTPUT_VARIABLE folders RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(failed)
    set(folders)
  endif()
  set(${result} "${folders}" PARENT_SCOPE)
endfunction()
