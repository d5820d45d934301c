// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "interchange/importer.hpp"

namespace moecal::interchange {

[[nodiscard]] Format nvbench_format();
[[nodiscard]] Format nvbench_csv_format();

}  // namespace moecal::interchange
