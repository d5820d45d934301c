// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <vector>

#include "calibration/array_math.hpp"
#include "calibration/coefficients.hpp"
#include "calibration/row_finder.hpp"

namespace moecal::calibration {

/// How much wider than its quantile an interval is at a size: 1 but for tables. Half-widths of
/// tables are calibrated on errors divided by it (normalised split-conformal), and multiplied by it
/// in a prediction.
///
/// Of a point table it is how much wider than on a smooth stretch. Interpolation is as uncertain as
/// the curve is bent: with b the most by which the slope of log time over log size changes at
/// either end of a gap, h the gap's width in log size and t the place in it, the curve may run off
/// by 2 b h t (1 - t) in log time; the scale is 1 + that / kSmooth.
///
/// A pooled curve brings its own at each row (Model::table_scales); linear in log size between.
class IntervalScale {
 public:
  /// Log time: of the order of the repeatability of good measurements. Between half and twice this
  /// the coverage and widths of held-out sizes of public tables hardly differ.
  static constexpr double kSmooth = 0.1;

  /// What a row's scale lies between. A fit's is a standard deviation of log time over 0.1, and
  /// that from the one of a single measurement (0.024) to the one of curves before any (about 1).
  static constexpr double kLeast = 0.01, kMost = 100;

  explicit IntervalScale(const Model& model);
  /// Outside the table as in the middle of its last gap on that side, of a pooled curve as there.
  [[nodiscard]] double at(double size) const;
  /// The same of many sizes, within 1e-14. Of no table their logarithms are not looked at.
  void at(const WithLogarithms& sizes, std::span<double> scales) const;

 private:
  struct Gap {
    double log_from = 0, inverse_width = 0, bend = 0;
    double from = 1, rise = 0;  // of a pooled curve, whose bend is 0
  };
  void take_bends(const Model& model);
  void take_scales(const Model& model);
  [[nodiscard]] double at(double size, double log_size) const;

  std::vector<Gap> gaps_;
  RowFinder finder_;              // of the gaps
  double first_ = 0, last_ = 0;   // bytes, of the table
  double below_ = 1, above_ = 1;  // outside it
};

}  // namespace moecal::calibration
