// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/saturating_roofline.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "calibration/log_fit.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

enum Which { kT0, kE1, kCm, kCn, kCk, kB0, kE2, kQ, kCount };

constexpr std::array<LogParameter, kCount> kParameters{{{"t0", "s", 1e-9, 1.0, 1e-6, 3},
                                                        {"e1", "1", 0.5, 20, 1.3, 0.7},
                                                        {"cm", "1", 1e-2, 1e5, 60, 2},
                                                        {"cn", "1", 1e-2, 1e5, 60, 2},
                                                        {"ck", "1", 1e-2, 1e5, 200, 2},
                                                        {"b0", "B", 1, 1e9, 1e6, 3},
                                                        {"e2", "1", 0.5, 20, 1.3, 0.7},
                                                        {"q", "1", 1, 30, 3, 1}}};

using Values = std::array<double, kCount>;

/// The two sides of the roof and their join:
///   ||larger, smaller||_q = larger (1 + (smaller / larger)^q)^(1/q)
struct Roof {
  double arithmetic_share;  // of the larger and smaller side's q-th powers, the arithmetic's
  double corner;            // derivative of log(joined) by log q
  double joined;
};

Roof roof_of(std::span<const double> p, const ReferenceRates& rates, const Inputs& inputs) {
  const double arithmetic = inputs.flops / rates.flops * p[kE1] * (1 + p[kCm] / inputs.m) *
                            (1 + p[kCn] / inputs.n) * (1 + p[kCk] / inputs.k);
  const double memory = (inputs.bytes + p[kB0]) / rates.memory * p[kE2];
  const double larger = std::max(arithmetic, memory), smaller = std::min(arithmetic, memory);
  const double log_ratio = std::log(smaller / larger);
  const double power = std::exp(p[kQ] * log_ratio);
  const double log_join = std::log1p(power) / p[kQ];
  const double smaller_share = power / (1 + power);
  return {arithmetic >= memory ? 1 - smaller_share : smaller_share,
          smaller_share * log_ratio - log_join, larger * std::exp(log_join)};
}

/// Derivatives of log(t0 + roof) by the logarithms of the parameters.
void slopes_of(std::span<const double> p, const Roof& roof, const Inputs& inputs,
               std::span<double> slopes) {
  const double roof_share = roof.joined / (p[kT0] + roof.joined);
  const double arithmetic = roof_share * roof.arithmetic_share;
  const double memory = roof_share - arithmetic;
  slopes[kT0] = 1 - roof_share;
  slopes[kE1] = arithmetic;
  slopes[kCm] = arithmetic * p[kCm] / (inputs.m + p[kCm]);
  slopes[kCn] = arithmetic * p[kCn] / (inputs.n + p[kCn]);
  slopes[kCk] = arithmetic * p[kCk] / (inputs.k + p[kCk]);
  slopes[kB0] = memory * p[kB0] / (inputs.bytes + p[kB0]);
  slopes[kE2] = memory;
  slopes[kQ] = roof_share * roof.corner;
}

Values values_of(const Model& model) {
  Values values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = parameter(model, kParameters[i].name);
  return values;
}

double seconds(const Model& model, const Inputs& inputs) {
  const auto values = values_of(model);
  return values[kT0] + roof_of(values, reference_rates(model), inputs).joined;
}

std::unique_ptr<PreparedForm> prepare_roof(const Model& model) {
  return prepared_function(
      [values = values_of(model), rates = reference_rates(model)](const Inputs& call) {
        return values[kT0] + roof_of(values, rates, call).joined;
      });
}

LogFit fit_of(std::span<const FitPoint> points, const ReferenceRates& rates) {
  return {.parameters = kParameters,
          .prepare_rows =
              [rates](std::span<const FitPoint> rows) {
                return [rates, rows](std::span<const double> p, std::span<double> log_seconds,
                                     std::span<double> slopes) {
                  for (std::size_t row = 0; row < rows.size(); ++row) {
                    const auto& inputs = rows[row].inputs;
                    const auto roof = roof_of(p, rates, inputs);
                    log_seconds[row] = std::log(p[kT0] + roof.joined);
                    if (!slopes.empty())
                      slopes_of(p, roof, inputs, slopes.subspan(row * kCount, kCount));
                  }
                };
              },
          .starts = starts_of(points, kParameters, {{0.1, 0.9}, {1.5, 6.0}, kQ}),
          .scout_rows = 400};
}

}  // namespace

Form saturating_roofline_form() {
  Form form{"saturating_roofline", {}, seconds, prepare_roof};
  for (const auto& p : kParameters) form.parameters.push_back({p.name, p.unit});
  for (const auto& spec : rate_specs()) form.parameters.push_back(spec);
  return form;
}

Model fit_saturating_roofline(std::span<const FitPoint> points, const ReferenceRates& rates,
                              const Model* from) {
  if (points.size() < kSaturatingRooflinePoints)
    throw InvalidInput{"a saturating roofline needs at least " +
                       std::to_string(kSaturatingRooflinePoints) + " points"};
  Model model;
  model.form = "saturating_roofline";
  auto fit = fit_of(points, rates);
  if (from != nullptr) {
    fit.settled = kPolishedFold;
    fit.wants_errors = false;
  }
  model.parameters = fit_logs(
      points, fit, from != nullptr ? started_from(values_of(*from)) : scout_logs(points, fit));
  for (const auto& rate : rate_parameters(rates)) model.parameters.push_back(rate);
  return model;
}

}  // namespace moecal::calibration
