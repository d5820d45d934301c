// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cutlass/cutlass.h>

#include <string>

#include "core/error.hpp"

/// For .cu files of CUTLASS kernels only.
namespace moecal::kernels {

/// @throws Error saying what was attempted and what CUTLASS said.
inline void check_cutlass(cutlass::Status status, const std::string& what) {
  if (status != cutlass::Status::kSuccess)
    throw Error{what + ": CUTLASS says \"" + cutlass::cutlassGetStatusString(status) + "\""};
}

}  // namespace moecal::kernels
