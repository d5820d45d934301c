// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cublasLt.h>

#include "runtime/failed_call.hpp"

/// For .cpp and .cu backend files only: cuBLASLt's header comes with it.
namespace moecal {

[[nodiscard]] inline LibraryStatus describe(cublasStatus_t status) {
  return {"cuBLASLt", cublasLtGetStatusName(status), cublasLtGetStatusString(status)};
}

/// @throws Error saying what was attempted and what cuBLASLt said.
inline void check(cublasStatus_t status, std::string_view what,
                  const std::source_location& where = std::source_location::current()) {
  if (status != CUBLAS_STATUS_SUCCESS) throw_failed_call(describe(status), what, where);
}

/// For destructors: says it on stderr.
inline void check_in_destructor(cublasStatus_t status, std::string_view what) noexcept {
  if (status != CUBLAS_STATUS_SUCCESS) report_failed_call(describe(status), what);
}

}  // namespace moecal
