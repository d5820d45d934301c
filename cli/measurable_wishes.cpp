// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/measurable_wishes.hpp"

#include <algorithm>
#include <map>

#include "core/error.hpp"

namespace moecal::cli {

std::string drop_unmeasurable(std::vector<calibration::Wish>& wishes,
                              std::span<const std::string_view> operations) {
  std::map<std::string, int> dropped;
  std::erase_if(wishes, [&](const calibration::Wish& wish) {
    const bool unknown = std::ranges::find(operations, wish.query.operation) == operations.end();
    if (unknown) ++dropped[wish.query.operation];
    return unknown;
  });
  std::string text;
  for (const auto& [operation, count] : dropped)
    text += (text.empty() ? "" : ", ") + operation + " (" + std::to_string(count) + ")";
  if (wishes.empty())
    throw InvalidInput{"no benchmark program measures what these claims need: " + text};
  return text;
}

}  // namespace moecal::cli
