// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/gemm_row.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "core/environment.hpp"
#include "core/error.hpp"
#include "interchange/text_lines.hpp"

namespace moecal::interchange {
namespace {

constexpr double kWidestHalf = 0.05;         // of the middle
constexpr std::int64_t kLargestCount = 1e9;  // no matrix has more rows

}  // namespace

std::int64_t count_of(std::string_view field, const std::string& name) {
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (status != std::errc{} || end != field.data() + field.size() || value < 1)
    throw InvalidInput{"'" + name + "' is '" + std::string{field} +
                       "', not a whole number above 0"};
  if (value > kLargestCount)
    throw InvalidInput{"'" + name + "' is '" + std::string{field} + "', more than " +
                       std::to_string(kLargestCount)};
  return value;
}

GemmShape parse_shape(std::string_view text) {
  const auto parts = split_at(text, 'x');
  if (parts.size() == 2 && parts[0] == parts[1]) {
    const auto order = count_of(parts[0], "m");
    return {order, order, order};
  }
  if (parts.size() != 3)
    throw InvalidInput{"the shape '" + std::string{text} +
                       "' is neither MxNxK nor that of a square product"};
  return {count_of(parts[0], "m"), count_of(parts[1], "n"), count_of(parts[2], "k")};
}

TimeRange time_of(const PrintedNumber& time, double unit) {
  return {time.lo() * unit, time.hi() * unit};
}

TimeRange time_of_rate(const PrintedNumber& rate, double unit, double work) {
  if (!(rate.lo() > 0)) throw InvalidInput{"the rate is 0, or printed with too few digits"};
  return {work / (rate.hi() * unit), work / (rate.lo() * unit)};
}

TimeRange both(const TimeRange& a, const TimeRange& b) {
  return {std::max(a.lo, b.lo), std::min(a.hi, b.hi)};
}

double seconds_within(const TimeRange& range) {
  if (range.empty())
    throw InvalidInput{
        "the printed time and rate contradict each other: the row is damaged, or its work is not "
        "2 m n k"};
  if (!(range.hi - range.lo <= 2 * kWidestHalf * range.middle()))
    throw InvalidInput{"the figures are printed with too few digits to know the time within 5 %"};
  return range.middle();
}

std::optional<Dtypes> gemm_dtypes(std::string_view word) {
  static const std::map<std::string, Dtypes> kTypes{
      {"fp32", {"f32", "f32", "f32", "f32", "none", ""}},
      {"fp16", {"f16", "f16", "f16", "f32", "none", ""}},
      {"bf16", {"bf16", "bf16", "bf16", "f32", "none", ""}},
      {"fp8", {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "tensor", ""}},
      {"int8", {"int8", "int8", "int32", "int32", "none", ""}}};
  static const std::map<std::string, std::string> kSpellings{
      {"float32", "fp32"},      {"float", "fp32"},   {"f32", "fp32"},  {"f16", "fp16"},
      {"i8", "int8"},           {"float16", "fp16"}, {"half", "fp16"}, {"bfloat16", "bf16"},
      {"float8-e4m3fn", "fp8"}, {"fp8-e4m3", "fp8"}};
  const auto plain = slug(std::string{word});
  const auto spelling = kSpellings.find(plain);
  const auto found = kTypes.find(spelling == kSpellings.end() ? plain : spelling->second);
  if (found == kTypes.end()) return std::nullopt;
  return found->second;
}

}  // namespace moecal::interchange
