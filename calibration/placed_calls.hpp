// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "calibration/predict.hpp"
#include "calibration/series.hpp"
#include "calibration/similarity.hpp"

/// Calls that somebody wishes for or may measure, placed among what one machine has measured.
namespace moecal::calibration {

/// A measured neighbourhood that hides a switch.
struct SwitchGap {
  double from = 0, to = 0;  // sizes, both measured
  double variance = 0;      // of log time between them
};

/// A series and where it hides switches.
struct MeasuredCurve {
  const Series* series = nullptr;
  std::vector<SwitchGap> gaps;
};

/// What a wish or a candidate comes to on the chosen machine.
struct PlacedCall {
  Place place;
  Point point;
  Point asked;  // the same without what only a suite file has to name
  Dtypes dtypes;
  Ranks ranks;
  RoutingSpec routing;
  bool routed = false;
  const MeasuredCurve* curve = nullptr;  // measured under the same conditions
  const MeasuredCurve* kin = nullptr;    // the same, of any group
  const SwitchGap* gap = nullptr;        // of that curve, around the point
};

/// Which calls of a machine are one and the same.
[[nodiscard]] std::string call_key(const PlacedCall& call);

/// The curve is of the call's operation and conditions: there, at the point, under the routing.
[[nodiscard]] bool is_measured(const PlacedCall& call);

/// The curves of one machine. What it hands out points into it, and into the series.
class MeasuredMachine {
 public:
  explicit MeasuredMachine(const GroupedObservations& grouped);

  /// On the nearest curve that is measured, if any.
  [[nodiscard]] PlacedCall call(const Query& query) const;
  /// The same call at another size.
  [[nodiscard]] static PlacedCall at(PlacedCall call, std::int64_t bytes);
  /// All that is measured.
  [[nodiscard]] std::vector<Place> known() const;

 private:
  [[nodiscard]] const MeasuredCurve* curve_of(const Query& query,
                                              bool (*fits)(const Series&, const Query&)) const;

  std::vector<MeasuredCurve> curves_;
};

}  // namespace moecal::calibration
