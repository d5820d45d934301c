// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <vector>

#include "calibration/predict.hpp"
#include "calibration/series.hpp"
#include "core/observation.hpp"

namespace moecal::calibration {

/// A prediction that somebody wants to be narrow.
struct Wish {
  Query query;
  double weight = 1;
};

struct SuggestRequest {
  std::vector<Wish> wishes;
  /// Points that can be measured, without those that are; empty: the wishes, and powers of two
  /// between them.
  std::vector<Query> candidates{};
  std::string card{};      // whose measurements; empty: the only card of the observations
  std::size_t count = 20;  // points at most
};

/// A point worth measuring, and how wide the wished predictions are once it and all before it are
/// measured.
struct Suggestion {
  std::string operation;
  Dtypes dtypes;
  Point point;
  Ranks ranks;          // world is the group: who has more ranks measures the same point there
  RoutingSpec routing;  // where the operation is routed
  bool routed = false;
  double half_width = 0;  // weighted mean over the wishes, of log time, 90 %
  std::string why;        // e.g. "never measured", "a switch lies between 65536 and 131072 bytes"
};

struct Suggestions {
  double half_width = 0;  // before any
  std::vector<Suggestion> points;
  int wishes = 0;                   // distinct ones
  int measured_points = 0;          // of the machine
  int known_points = 0;             // of these, those that were taken into account
  std::vector<LeftOut> left_out{};  // measured ones whose cost cannot be said from their point
};

/// Ranks unmeasured points by how much they narrow the wishes, each after those before it. Widths
/// are those of a Gaussian process (calibration/similarity.hpp): they say which point to take
/// first, while the interval of a prediction is calibrated by `fit` once it is measured.
///
/// Between two measured sizes lies a switch of the library where no one protocol explains both
/// (calibration/switches.hpp): what lies there is as uncertain as the step is high, until a size in
/// between is measured. Who names no candidates wishes the middle of each such gap between his
/// sizes too.
/// @throws InvalidInput if the observations are of several cards and none is chosen.
[[nodiscard]] Suggestions suggest(std::span<const ObservationFile> files,
                                  const SuggestRequest& request);

}  // namespace moecal::calibration
