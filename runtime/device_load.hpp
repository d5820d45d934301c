// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/units.hpp"

namespace moecal {

/// Lets the current CUDA device write its memory and multiply for that long, in turns, so that its
/// clocks are those of a device at work, and its power that of products too. Synchronous, on the
/// legacy default stream: returns when the device is done, after `seconds` or a round more. Takes
/// 256 MiB of its memory meanwhile. Only in builds with CUDA. @throws Error
void keep_device_busy(Seconds seconds);

}  // namespace moecal
