// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <span>

#include "calibration/call_inputs.hpp"

namespace moecal::calibration {

/// Where predictions go, one entry a call. `half_widths` (of log time: the 90 % interval is
/// seconds * exp(-+half_width)) may be empty, and is then not computed.
struct PredictionColumns {
  std::span<double> seconds, half_widths;
};

/// One model for many calls: what predict_with() says of each, within 1e-12, but for its texts.
/// Names are looked up and parameters resolved once; a call is then a few nanoseconds of a curve's
/// arithmetic, or some hundred of a GEMM's. Made for planners that ask for millions of calls.
///
/// A transfer takes the column "bytes"; a GEMM m, n, k (and groups); others the numbers of their
/// points. Calls inside the model's validity take the fast way, those that a residual fades at too.
/// Those outside it go to predict_with() one by one, for its rules of widening, and so do all calls
/// of operations whose work is no sum of products of their numbers, and of MoE layers, whose loads
/// are drawn: some microseconds each, or some dozen.
class PreparedModel {
 public:
  /// Keeps a copy of the model. @throws InvalidInput if it lacks what its form needs.
  explicit PreparedModel(Model model);
  ~PreparedModel();
  PreparedModel(PreparedModel&&) noexcept;

  /// Threads may share one. @throws InvalidInput if a column is missing, unknown or of another
  /// length than the outputs.
  void predict(std::span<const CallColumn> columns, const PredictionColumns& out) const;

 private:
  struct Prepared;
  std::unique_ptr<Prepared> prepared_;
};

}  // namespace moecal::calibration
