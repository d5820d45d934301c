// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/limits.hpp"

#include <algorithm>
#include <sstream>

#include "core/error.hpp"

namespace moecal::bench {
namespace {

constexpr Seconds kLongEnough{0.01};  // a call that is mostly work, not overhead

std::string rounded(double value, const char* unit) {
  std::ostringstream text;
  text.precision(3);
  text << value << " " << unit;
  return text.str();
}

std::string gib(Bytes bytes) { return rounded(bytes.value() / (1 << 30), "GiB"); }

/// A rate, and what of the card limits it.
struct Rate {
  double value, nominal;  // in `unit`
  std::string unit, limit;
};

void check_rate(const std::string& of, const Rate& rate) {
  if (!(rate.value > kNominalTolerance * rate.nominal)) return;  // nothing in no time is no number
  const auto tera = "T" + rate.unit;
  throw Error{"impossible result of " + of + ": " + rounded(rate.value / 1e12, tera.c_str()) +
              " is over the card's " + rate.limit + " of " +
              rounded(rate.nominal / 1e12, tera.c_str()) +
              "; the clock or the counted work is wrong"};
}

}  // namespace

void check_memory(Bytes needed, Bytes memory, MemoryOf of) {
  if (needed.value() <= 0.5 * memory.value()) return;
  const bool of_host = of == MemoryOf::host;
  throw Unsupported{"its buffers take " + gib(needed) + ", over half of the " +
                    (of_host ? "host's" : "device's") + " memory (" + gib(memory) +
                    (of_host ? "; where it has more, MOECAL_HOST_MEMORY=BYTES says so" : "") + ")"};
}

Result result_of(const Observation& observation) {
  std::string of = observation.operation + "/" + observation.implementation;
  for (const auto& [name, value] : observation.point)
    of += "/" + name + ":" + std::to_string(value);
  return {.of = of,
          .work = observation.work,
          .time = Seconds{observation.seconds()},
          .dtype = observation.dtypes.a};
}

void check_possible(const Result& result, const Card& card, Bytes last_level_cache) {
  if (const auto peak = card.dense_peak(result.dtype))
    check_rate(result.of, {(result.work.flops / result.time).value(), peak->value(), "FLOP/s",
                           "dense " + result.dtype + " peak"});
  const Bytes moved = result.work.read + result.work.written;
  if (card.memory_bandwidth && !result.warm &&
      moved.value() >= kOutOfCache * last_level_cache.value())
    check_rate(result.of, {(moved / result.time).value(), card.memory_bandwidth->value.value(),
                           "B/s", "memory bandwidth"});
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
