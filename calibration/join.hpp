// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <set>
#include <string>

namespace moecal::calibration {

/// "a, b, c", for messages.
inline std::string join(const std::set<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace moecal::calibration
