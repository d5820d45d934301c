// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <type_traits>

/// Lists in messages.
namespace moecal {

/// What to_text says of each element of a range, with the separator between.
template <class Range, class ToText>
[[nodiscard]] std::string join(const Range& range, std::string_view separator,
                               const ToText& to_text) {
  std::string text;
  bool is_first = true;
  for (const auto& element : range) {
    if (!is_first) text += separator;
    is_first = false;
    text += to_text(element);
  }
  return text;
}

/// "a, b, c" of words or whole numbers.
template <class Range>
[[nodiscard]] std::string join(const Range& range, std::string_view separator = ", ") {
  return join(range, separator, [](const auto& element) {
    if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(element)>>)
      return std::to_string(element);
    else
      return std::string_view{element};
  });
}

}  // namespace moecal
