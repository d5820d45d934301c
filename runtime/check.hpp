// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime_api.h>

#include "runtime/failed_call.hpp"

/// For .cpp and .cu backend files only: CUDA's header comes with it.
namespace moecal {

[[nodiscard]] inline LibraryStatus describe(cudaError_t status) {
  return {"CUDA", cudaGetErrorName(status), cudaGetErrorString(status)};
}

/// @throws Error saying what was attempted and what CUDA said. The error is cleared first, so that
/// one failed point does not fail the next; a sticky one (a kernel that faulted) stays.
inline void check(cudaError_t status, std::string_view what,
                  const std::source_location& where = std::source_location::current()) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();
  throw_failed_call(describe(status), what, where);
}

/// For destructors: says it on stderr. A runtime that is already unloading is no failure.
inline void check_in_destructor(cudaError_t status, std::string_view what) noexcept {
  if (status == cudaSuccess || status == cudaErrorCudartUnloading) return;
  report_failed_call(describe(status), what);
}

}  // namespace moecal
