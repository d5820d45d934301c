// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>

#include "core/card.hpp"
#include "core/observation.hpp"

/// What a point may take, and what a result may not be.
namespace moecal::bench {

enum class MemoryOf { device, host };
/// @throws Unsupported, with the estimate, if a point needs over half of the memory; of a host's it
/// says how a user who knows better can tell.
void check_memory(Bytes needed, Bytes memory, MemoryOf of);

/// Work that is said to have taken that long.
struct Result {
  std::string of;  // what a refusal names
  Work work;
  Seconds time{0};
  std::string dtype;  // that the card's peak is looked up by
  bool warm = false;  // some of its bytes may come from the cache: memory does not limit them
};
/// The median of a point.
[[nodiscard]] Result result_of(const Observation& observation);

/// @throws Error if it beats the card's nominal figures by more than 2 %: more FLOP/s than its
/// dense peak, or, over at least four times the last-level cache and not warm, more bytes/s than
/// its memory moves. Then the clock or the counted work is wrong. Figures that are not known limit
/// nothing.
void check_possible(const Result& result, const Card& card, Bytes last_level_cache);

/// Expects of a point what longer points of the same kind took, so that a sweep does not run into
/// one call of a minute after the other.
class CallEstimate {
 public:
  /// A measured point. Short calls are mostly overhead and say nothing about long ones.
  void learn(const Observation& observation);
  /// @throws Unsupported, with the estimate, if one call would take twice `longest` or more.
  void check(const Observation& planned, Seconds longest) const;

 private:
  [[nodiscard]] static std::string kind(const Observation& observation);
  [[nodiscard]] static double amount(const Work& work);

  std::map<std::string, double> best_rate_;  // by kind: of FLOPs or bytes per second
};

}  // namespace moecal::bench
