// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>

#include "core/observation.hpp"

/// Points inside which a program ended: they are recorded as failed, for this reason.
namespace moecal {

/// "the launch ended while this point was measured"; `cause`, unless empty, is what is known of it,
/// and that it was the point's own doing.
[[nodiscard]] std::string ended_reason(const std::string& cause = "");
/// Whether it was recorded for that reason.
[[nodiscard]] bool is_ended(const Observation& observation);

/// Which points of a run are not begun again. One that ended a launch by its own doing is given up;
/// one that was under way when a launch ended, for whatever reason, is tried once more: it may have
/// been killed from outside.
class EndedPoints {
 public:
  void count(const Observation& observation);
  /// By Observation::key().
  [[nodiscard]] bool given_up(const std::string& key) const;

 private:
  std::map<std::string, int> ends_;
};

}  // namespace moecal
