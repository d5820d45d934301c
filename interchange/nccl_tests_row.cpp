// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "interchange/nccl_tests_text.hpp"

namespace moecal::interchange {
namespace {

/// How the numbers after the type are laid out.
struct Layout {
  std::size_t root;    // columns before the first measurement: 0 or 1
  std::size_t total;   // columns in all
  std::size_t second;  // where the second measurement starts; 0: there is none
  std::size_t wrong;   // 1 if #wrong follows each measurement's rates
};

// Of two that agree equally well the earlier wins: a root of 0 could pass for a time of 0.
constexpr std::array<Layout, 11> kLayouts{{{1, 17, 9, 1},  // with -I: least, most, p99, cv% each
                                           {1, 9, 5, 1},
                                           {1, 8, 5, 1},  // the last #wrong was cut off
                                           {0, 8, 4, 1},
                                           {1, 7, 4, 0},
                                           {0, 7, 4, 1},
                                           {0, 6, 3, 0},
                                           {1, 5, 0, 1},
                                           {1, 4, 0, 0},
                                           {0, 4, 0, 1},
                                           {0, 3, 0, 0}}};

constexpr char kNotTheRate[] =
    "algbw is not size / time: the row is damaged, or its columns are not nccl-tests'";

bool is_integer(const std::string& field) {
  const auto number = printed_number(field);
  return number && number->integer;
}

/// The measurement whose first column is at `at`; nothing if one of its numbers is none.
std::optional<NcclTiming> timing_at(const std::vector<std::string>& fields, std::size_t at,
                                    bool has_wrong) {
  const auto time = printed_number(fields[at]);
  const auto algbw = printed_number(fields[at + 1]);
  const auto busbw = printed_number(fields[at + 2]);
  if (!time || !algbw || !busbw) return std::nullopt;
  const bool present = has_wrong && at + 3 < fields.size();
  return NcclTiming{*time, *algbw, *busbw, present ? fields[at + 3] : "", "", {}};
}

/// Columns after the last #wrong (a later release's) are passed over; none between are.
bool fits(const Layout& layout, std::size_t fields) {
  const bool passes_over = fields > 9 && layout.second != 0 && layout.wrong == 1;
  return fields == layout.total || (passes_over && fields > layout.total);
}

/// Gives each measurement whose rate is not size / time its problem. @return how many have none
std::size_t mark_disagreement(std::int64_t bytes, std::vector<NcclTiming>& timings) {
  std::size_t agreeing = 0;
  for (auto& timing : timings) {
    if (timing.absent) continue;
    if (timing.problem.empty() && !rate_agrees(bytes, timing)) timing.problem = kNotTheRate;
    if (timing.problem.empty()) ++agreeing;
  }
  return agreeing;
}

/// The half of a row that starts at `at` says that it was not measured.
bool is_absent(const std::vector<std::string>& fields, std::size_t at) {
  if (fields[at] == "N/A") return true;
  return fields[at] == "nan" && at + 3 < fields.size() && fields[at + 3] == "N/A";
}

std::vector<NcclTiming> timings_of(const Layout& layout, const std::vector<std::string>& fields) {
  std::vector<NcclTiming> timings;
  if (layout.root == 1 && !is_integer(fields[0])) return timings;
  const bool has_wrong = layout.wrong == 1;
  const auto first = timing_at(fields, layout.root, has_wrong);
  if (!first && (layout.second == 0 || !is_absent(fields, layout.root))) return timings;
  timings.push_back(first.value_or(absent_timing()));
  if (layout.second == 0) return timings;
  if (const auto second = timing_at(fields, layout.second, has_wrong))
    timings.push_back(*second);
  else if (!first)
    timings.clear();
  else if (is_absent(fields, layout.second))
    timings.push_back(absent_timing());
  else
    timings.push_back(
        {{}, {}, {}, "", "time, algbw or busbw is '" + fields[layout.second] + "'", {}});
  return timings;
}

}  // namespace

NcclTiming absent_timing() {
  NcclTiming timing;
  timing.absent = true;
  return timing;
}

RateRange rates_of(std::int64_t bytes, const PrintedNumber& microseconds) {
  const auto rate = [bytes](double us) { return static_cast<double>(bytes) / us / 1e3; };
  return {rate(microseconds.hi()), microseconds.lo() > 0 ? rate(microseconds.lo()) : 1e300};
}

bool rate_agrees(std::int64_t bytes, const NcclTiming& timing) {
  const double slack = 1e-9 + 1e-6 * timing.algbw.value;
  if (!(timing.microseconds.hi() > 0)) return false;
  const auto [least, most] = rates_of(bytes, timing.microseconds);
  return timing.algbw.hi() + slack >= least && timing.algbw.lo() - slack <= most;
}

void interpret_nccl_fields(const std::vector<std::string>& fields, NcclRow& row) {
  row.timings.clear();
  row.problem = "no complete time, algbw and busbw follow the size";
  std::size_t most_agreeing = 0;
  for (const auto& layout : kLayouts) {
    if (!fits(layout, fields.size())) continue;
    auto timings = timings_of(layout, fields);
    if (timings.empty()) continue;
    const auto agreeing = mark_disagreement(row.bytes, timings);
    if (agreeing <= most_agreeing && !row.timings.empty()) continue;
    most_agreeing = agreeing;
    row.timings = std::move(timings);
    row.problem = agreeing == 0 ? kNotTheRate : "";
  }
}

}  // namespace moecal::interchange
