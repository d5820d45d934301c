// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/ended_points.hpp"

namespace moecal {
namespace {

constexpr char kEnded[] = "the launch ended while this point was measured";
constexpr int kTries = 2;

}  // namespace

std::string ended_reason(const std::string& cause) {
  return cause.empty() ? kEnded : kEnded + (": " + cause);
}

bool is_ended(const Observation& observation) {
  return observation.outcome == Outcome::failed && observation.reason.rfind(kEnded, 0) == 0;
}

void EndedPoints::count(const Observation& observation) {
  if (is_ended(observation)) ends_[observation.key()] += observation.reason == kEnded ? 1 : kTries;
}

bool EndedPoints::given_up(const std::string& key) const {
  const auto found = ends_.find(key);
  return found != ends_.end() && found->second >= kTries;
}

}  // namespace moecal
