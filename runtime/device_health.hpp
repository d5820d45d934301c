// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/error.hpp"

namespace moecal {

/// The device takes no work of this process any more, as after a kernel's illegal access: a new
/// process is needed.
struct DeviceLost : Error {
  using Error::Error;
};

/// Waits for the current device; does nothing in a build without CUDA. Errors that calls left
/// behind are cleared. @throws DeviceLost if its context is dead, or a capture was left open.
void check_cuda_device();

}  // namespace moecal
