// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace moecal::interchange {

/// A number as a foreign tool printed it: the true value lies within half_step of value.
struct PrintedNumber {
  double value = 0;
  double half_step = 0;
  bool integer = false;  // printed without point and exponent
  [[nodiscard]] double lo() const { return value - half_step; }
  [[nodiscard]] double hi() const { return value + half_step; }
};

/// The number the text starts with, taken off its front: "26.5 0.31" leaves " 0.31", and "0node7"
/// leaves "node7". Nothing, and the text as it was, if it starts with none, or with something
/// longer ("2026-01-02", "12:30").
[[nodiscard]] std::optional<PrintedNumber> take_number(std::string_view& text);

/// The same for a whole field. @return nothing if the field is not exactly one number.
[[nodiscard]] std::optional<PrintedNumber> printed_number(std::string_view field);

}  // namespace moecal::interchange
