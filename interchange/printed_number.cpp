// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/printed_number.hpp"

#include <charconv>
#include <cmath>

#include "interchange/text_lines.hpp"

namespace moecal::interchange {
namespace {

std::size_t count_digits(std::string_view text, std::size_t from) {
  std::size_t end = from;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - from;
}

/// The length of "e+05" at this place; 0 if there is no exponent.
std::size_t exponent_length(std::string_view text, std::size_t at) {
  if (at >= text.size() || (text[at] != 'e' && text[at] != 'E')) return 0;
  const std::size_t sign = at + 1 < text.size() && (text[at + 1] == '+' || text[at + 1] == '-');
  const auto digits = count_digits(text, at + 1 + sign);
  return digits == 0 ? 0 : 1 + sign + digits;
}

/// A number may run into the next word ("0node7"), but not into more of the same ("1.2.3",
/// "12:30", "2026-01").
bool may_follow(std::string_view text, std::size_t at) {
  if (at >= text.size()) return true;
  const char c = text[at];
  return c != '.' && c != ':' && c != '-' && c != '+' && c != '/' && c != '_';
}

}  // namespace

std::optional<PrintedNumber> take_number(std::string_view& text) {
  const std::size_t sign = !text.empty() && text[0] == '-';
  const auto whole = count_digits(text, sign);
  std::size_t end = sign + whole;
  std::size_t decimals = 0;
  const bool point = end < text.size() && text[end] == '.';
  if (point) {
    decimals = count_digits(text, end + 1);
    end += 1 + decimals;
  }
  if (whole + decimals == 0) return std::nullopt;
  const auto exponent = exponent_length(text, end);
  PrintedNumber number;
  number.integer = !point && exponent == 0;
  int power = 0;
  if (exponent > 0) {
    const std::size_t skip = text[end + 1] == '+' ? 2 : 1;
    std::from_chars(text.data() + end + skip, text.data() + end + exponent, power);
    end += exponent;
  }
  if (!may_follow(text, end)) return std::nullopt;
  std::from_chars(text.data(), text.data() + end, number.value);
  number.half_step = 0.5 * std::pow(10.0, power - static_cast<int>(decimals));
  text.remove_prefix(end);
  return number;
}

std::optional<PrintedNumber> printed_number(std::string_view field) {
  const auto number = take_number(field);
  return field.empty() ? number : std::nullopt;
}

}  // namespace moecal::interchange
