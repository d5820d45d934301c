// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "interchange/importer.hpp"

namespace moecal::interchange {

[[nodiscard]] Format nccl_m2n_format();

}  // namespace moecal::interchange
