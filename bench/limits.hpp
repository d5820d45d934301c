// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/units.hpp"

namespace moecal::bench {

/// @throws Unsupported, with the estimate, if a point needs over half of the memory.
void check_memory(Bytes needed, Bytes memory);

}  // namespace moecal::bench
