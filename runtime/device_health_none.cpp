// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_health.hpp"

namespace moecal {

void check_cuda_device() {}

}  // namespace moecal
