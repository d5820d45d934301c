// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nccl.h>

#include "runtime/failed_call.hpp"

/// For .cpp and .cu backend files only: NCCL's header comes with it.
namespace moecal {

/// The name is NCCL's sentence for the status; the explanation is the last error of the process,
/// which says more (a refused connection, a missing device).
[[nodiscard]] inline LibraryStatus describe(ncclResult_t status) {
  const char* detail = ncclGetLastError(nullptr);
  return {"NCCL", ncclGetErrorString(status), detail == nullptr ? "" : detail};
}

/// @throws Error saying what was attempted and what NCCL said.
inline void check(ncclResult_t status, std::string_view what,
                  const std::source_location& where = std::source_location::current()) {
  if (status != ncclSuccess) throw_failed_call(describe(status), what, where);
}

/// For destructors: says it on stderr.
inline void check_in_destructor(ncclResult_t status, std::string_view what) noexcept {
  if (status != ncclSuccess) report_failed_call(describe(status), what);
}

}  // namespace moecal
