// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime.h>

#include <cstddef>

#include "runtime/stream.hpp"

namespace moecal {

/// How a kernel is launched. `what` names it in an error message: "permute rows".
struct LaunchConfig {
  const char* what = "";
  dim3 grid{};
  dim3 block{};
  std::size_t dynamic_shared_bytes = 0;
  Stream stream = nullptr;
};

}  // namespace moecal
