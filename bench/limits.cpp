// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/limits.hpp"

#include <algorithm>
#include <sstream>

#include "core/error.hpp"

namespace moecal::bench {
namespace {

constexpr double kTolerance = 1.02;  // nominal figures are rounded, clocks vary a little
constexpr double kOutOfCache = 4.0;
constexpr Seconds kLongEnough{0.01};  // a call that is mostly work, not overhead

std::string rounded(double value, const char* unit) {
  std::ostringstream text;
  text.precision(3);
  text << value << " " << unit;
  return text.str();
}

std::string gib(Bytes bytes) { return rounded(bytes.value() / (1 << 30), "GiB"); }

[[noreturn]] void refuse(double value, double nominal, const std::string& unit,
                         const std::string& what) {
  throw Error{"impossible result: " + rounded(value / 1e12, ("T" + unit).c_str()) +
              " is over the card's " + what + " of " +
              rounded(nominal / 1e12, ("T" + unit).c_str()) +
              "; the clock or the counted work is wrong"};
}

}  // namespace

void check_memory(Bytes needed, Bytes memory, const std::string& whose) {
  if (needed.value() > 0.5 * memory.value())
    throw Unsupported{"its buffers take " + gib(needed) + ", over half of " + whose + "memory (" +
                      gib(memory) + ")"};
}

void check_possible(const Observation& observation, const Card& card, Bytes last_level_cache) {
  const Seconds time{observation.seconds()};
  const auto& work = observation.work;
  const auto peak = card.dense_peak(observation.dtypes.a);
  const auto rate = work.flops / time;
  if (peak && rate.value() > kTolerance * peak->value())
    refuse(rate.value(), peak->value(), "FLOP/s", "dense " + observation.dtypes.a + " peak");
  const Bytes moved = work.read + work.written;
  const auto bandwidth = moved / time;
  if (card.memory_bandwidth && moved.value() >= kOutOfCache * last_level_cache.value() &&
      bandwidth.value() > kTolerance * card.memory_bandwidth->value.value())
    refuse(bandwidth.value(), card.memory_bandwidth->value.value(), "B/s", "memory bandwidth");
}

std::string CallEstimate::kind(const Observation& o) {
  return o.operation + " " + o.implementation + " " + o.dtypes.a + " " +
         std::to_string(o.ranks.group) + " " + o.ranks.placement + " " +
         std::to_string(o.ranks.concurrent_groups);
}

double CallEstimate::amount(const Work& work) {
  if (work.flops.value() > 0) return work.flops.value();
  return std::max(work.sent.value(), (work.read + work.written).value());
}

void CallEstimate::learn(const Observation& observation) {
  if (observation.samples_s.empty() || Seconds{observation.seconds()} < kLongEnough) return;
  auto& best = best_rate_[kind(observation)];
  best = std::max(best, amount(observation.work) / observation.seconds());
}

void CallEstimate::check(const Observation& planned, Seconds longest) const {
  const auto found = best_rate_.find(kind(planned));
  if (found == best_rate_.end()) return;
  const Seconds estimate{amount(planned.work) / found->second};
  if (estimate >= 2 * longest)
    throw Unsupported{"one call is estimated to take " + rounded(estimate.count(), "s") +
                      ", from the best rate of this run; points over " +
                      rounded(longest.count(), "s") + " a call are skipped"};
}

}  // namespace moecal::bench
