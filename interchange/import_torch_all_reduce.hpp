// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "interchange/importer.hpp"

namespace moecal::interchange {

[[nodiscard]] Format torch_all_reduce_format();

}  // namespace moecal::interchange
