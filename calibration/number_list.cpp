// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/number_list.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace moecal::calibration {
namespace {

template <typename T>
std::string line_of(std::span<const T> numbers) {
  std::string line;
  std::array<char, 32> text{};
  for (const T number : numbers) {
    if (!line.empty()) line += ' ';
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number);
    line.append(text.data(), end.ptr);
  }
  return line;
}

template <typename T>
std::optional<std::vector<T>> parse(std::string_view line) {
  std::vector<T> numbers;
  const char *at = line.data(), *const end = at + line.size();
  while (at != end) {
    if (!numbers.empty() && *at++ != ' ') return std::nullopt;
    T number{};
    const auto read = std::from_chars(at, end, number);
    if (read.ec != std::errc{} || !std::isfinite(static_cast<double>(number))) return std::nullopt;
    numbers.push_back(number);
    at = read.ptr;
  }
  return numbers;
}

}  // namespace

std::string to_line(std::span<const double> numbers) { return line_of(numbers); }
std::string to_line(std::span<const int> numbers) { return line_of(numbers); }

std::optional<std::vector<double>> numbers_of(std::string_view line) { return parse<double>(line); }
std::optional<std::vector<int>> whole_numbers_of(std::string_view line) { return parse<int>(line); }

std::string number_text(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", number);
  return text.data();
}

}  // namespace moecal::calibration
