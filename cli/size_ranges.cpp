// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/size_ranges.hpp"

#include <charconv>
#include <cstdint>

#include "core/error.hpp"

namespace moecal::cli {
namespace {

/// As many predictions as anybody looks at; ranking points takes memory with their square, and time
/// with more.
constexpr std::size_t kMostPoints = 2'000;

struct Range {
  std::string name;
  std::int64_t least = 0, most = 0;
};

Range parse_range(const std::string& text) {
  Range range;
  const auto equals = text.find('=');
  const char *begin = text.data() + equals + 1, *end = text.data() + text.size();
  const auto fail = [&] {
    throw InvalidInput{"--range takes name=least:most, e.g. bytes=1024:16777216; '" + text +
                       "' is not"};
  };
  if (equals == std::string::npos || equals == 0) fail();
  range.name = text.substr(0, equals);
  auto parsed = std::from_chars(begin, end, range.least);
  if (parsed.ec != std::errc{}) fail();
  range.most = range.least;
  if (parsed.ptr != end && *parsed.ptr == ':')
    parsed = std::from_chars(parsed.ptr + 1, end, range.most);
  if (parsed.ec != std::errc{} || parsed.ptr != end || range.least < 1 || range.most < range.least)
    fail();
  return range;
}

std::vector<std::int64_t> values_of(const Range& range) {
  std::vector<std::int64_t> values{range.least};
  while (values.back() != range.most)
    values.push_back(values.back() > range.most / 2 ? range.most : 2 * values.back());
  return values;
}

}  // namespace

std::vector<Point> points_of_ranges(std::span<const std::string> texts) {
  std::vector<Point> points{{}};
  for (const auto& text : texts) {
    const auto range = parse_range(text);
    if (points.front().contains(range.name))
      throw InvalidInput{"--range gives " + range.name + " twice"};
    const auto values = values_of(range);
    if (points.size() * values.size() > kMostPoints)
      throw InvalidInput{"--range makes more than " + std::to_string(kMostPoints) +
                         " points: narrow the ranges"};
    std::vector<Point> longer;
    for (const auto& point : points)
      for (const auto value : values) (longer.emplace_back(point))[range.name] = value;
    points = std::move(longer);
  }
  return points;
}

}  // namespace moecal::cli
