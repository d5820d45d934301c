// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "calibration/series.hpp"

namespace moecal::calibration {

/// A series while it is being gathered: points may still repeat.
struct Gathering {
  Series series;
  Repeats repeats;
};

/// By the id without settings, and what all observations of a gathering were set to.
using Gatherings = std::map<std::pair<std::string, Settings>, Gathering>;

/// The series that an observation belongs to, with nothing in it.
[[nodiscard]] Series empty_series(const Observation& o, const Environment& environment);
[[nodiscard]] bool has_size(const Observation& o, KnownLoads& loads);
/// Which rows an expert had is in the loads alone; two such routings could not be told apart.
/// @throws InvalidInput of a recorded routing without its loads.
void require_loads(const Observation& o);

/// Puts observations where they belong, and refers to them. Neighbours in a file are mostly of one
/// series, whose long name is then looked up once, and often of one place in it.
class Gatherer {
 public:
  /// Whether an observation is of the place that the last one was added to.
  [[nodiscard]] bool is_at_last_place(const Observation& o, const Environment& environment) const;
  void add(const Observation& o, const Environment& environment);

  Gatherings gatherings;

 private:
  [[nodiscard]] bool is_of_last_series(const Observation& o, const Environment& environment) const;

  const Observation* last_ = nullptr;
  const Environment* last_environment_ = nullptr;
  Gathering* where_ = nullptr;
  std::vector<const Observation*>* place_ = nullptr;  // of the last observation
};

/// Repeats become their median; how far they lie apart is kept, and so is a point whose repeats
/// disagree: that is what the machine does.
[[nodiscard]] Series finish(Gathering gathering);

}  // namespace moecal::calibration
