// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/nccl_one_gpu.hpp"

namespace moecal::tests {

bool over_doubles() { return false; }

}  // namespace moecal::tests
