// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/foreign_benchmark.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>

#include "interchange/gemm_row.hpp"

namespace moecal::interchange {
namespace {

bool is_upper(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

/// "BlockSize" -> block_size, "M" -> m, "Num Blocks" -> num_blocks.
std::string snake(const std::string& name) {
  std::string result;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool hump = is_upper(name[i]) && i > 0 && is_word(name[i - 1]) && !is_upper(name[i - 1]);
    if (!is_word(name[i]) || hump)
      if (!result.empty() && result.back() != '_') result += '_';
    if (is_word(name[i]))
      result += static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
  }
  while (!result.empty() && result.back() == '_') result.pop_back();
  return result;
}

std::optional<std::int64_t> whole(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

bool take_type(const AxisValue& axis, Observation& o) {
  const auto name = snake(axis.name);
  if (name != "t" && name != "type" && name != "dtype") return false;
  const auto types = gemm_dtypes(axis.value);
  if (!types) return false;
  o.dtypes = o.operation.find("gemm") != std::string::npos ? *types : Dtypes{types->a, "", types->a,
                                                                             "",       "", ""};
  return true;
}

}  // namespace

std::string operation_word(const std::string& name) {
  auto word = snake(name);
  for (const std::string prefix : {"bm_", "bench_", "benchmark_"})
    if (word.starts_with(prefix) && word.size() > prefix.size()) return word.substr(prefix.size());
  return word;
}

void describe_benchmark(const std::string& name, const std::vector<AxisValue>& axes,
                        Observation& o) {
  o.operation = operation_word(name);
  if (o.operation.empty()) throw InvalidInput{"the benchmark's name '" + name + "' has no letter"};
  for (const auto& axis : axes) {
    const auto number = whole(axis.value);
    if (number && o.point.emplace(snake(axis.name), *number).second) continue;
    if (take_type(axis, o)) continue;
    o.implementation += "-" + slug(axis.name + " " + axis.value);
  }
}

double seconds_per(const std::string& unit) {
  static const std::map<std::string, double> kUnits{
      {"s", 1}, {"sec", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}};
  const auto found = kUnits.find(unit);
  if (found == kUnits.end()) throw InvalidInput{"'" + unit + "' is no unit of time"};
  return found->second;
}

}  // namespace moecal::interchange
