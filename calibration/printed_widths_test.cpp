// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/printed_widths.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"

// What a fit prints of its intervals is what predictions have.
namespace moecal::calibration {
namespace {

/// A curve that bends and steps: two protocols.
double stepped(double bytes) { return bytes < 300e3 ? 8e-6 + bytes / 15e9 : 60e-6 + bytes / 90e9; }

double half_width(const Model& model, double bytes) {
  const auto p = predict_with(model, {{"bytes", std::llround(bytes)}});
  return std::log(p.hi / p.seconds);
}

TEST(PrintedWidths, AreThoseThatPredictionsHave) {
  for (const bool compact : {false, true}) {
    const auto curve = synthetic::curve("all_reduce", 4, 18, stepped, {.spread = 0.03});
    const auto fitted = fit(std::vector{synthetic::file(curve)}, {.compact = compact});
    for (const auto& model : fitted.coefficients.models) {
      const auto [narrowest, widest] = half_width_range(model).value();
      double most = 0;
      for (double bytes = 512; bytes <= 512 << 17; bytes *= std::sqrt(2)) {
        EXPECT_GE(half_width(model, bytes), narrowest - 1e-6) << model.form << " " << bytes;
        EXPECT_LE(half_width(model, bytes), widest + 1e-3) << model.form << " " << bytes;
        most = std::max(most, half_width(model, bytes));
      }
      EXPECT_NEAR(most, widest, 1e-3) << model.form;
    }
  }
}

TEST(PrintedWidths, OfATableAreWiderThanItsQuantiles) {
  const auto curve = synthetic::curve("all_reduce", 4, 18, stepped, {.spread = 0.03});
  const auto fitted = fit(std::vector{synthetic::file(curve)}, {});
  for (const auto& model : fitted.coefficients.models) {
    if (model.form != "log_log_table") continue;
    double bare = 0;
    for (const auto& regime : model.residual_quantiles) bare = std::max(bare, regime.half_width_90);
    EXPECT_GT(half_width_range(model)->second, 1.5 * bare);
  }
}

TEST(PrintedWidths, OfNothingHeldOutAreNone) {
  Model model;
  model.form = "latency_bandwidth";
  EXPECT_FALSE(half_width_range(model));
}

}  // namespace
}  // namespace moecal::calibration
