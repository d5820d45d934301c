// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/exchange_skew.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace moecal::calibration {
namespace {

/// Of 8, as for an expectation, the spread is known too badly: of uniform draws for 16 tokens a
/// rank 76 % were covered; 82 % are.
constexpr int kSkewDraws = 32;
/// Student's 95 % quantile of so many, times sqrt(1 + 1/32): the expectation is of the same draws.
constexpr double kFreshDraw = 1.696 * 1.0155;

}  // namespace

ExchangeLoad load_of(const ExchangedBytes& exchanged) {
  const double mean = mean_bytes(exchanged);
  return {mean, mean > 0 ? bytes_of_busiest_rank(exchanged) / mean : 1};
}

ExpectedLoad expected_load(const RoutedCall& call) {
  const auto& point = call.point;
  const double bytes = inputs_of("all_to_all_v", point, call.dtypes).size;
  if (point.contains("bytes") || !(bytes > 0)) return {{bytes, 1}};
  if (!point.contains("experts"))
    throw InvalidInput{"which rank an exchange's rows go to needs the number 'experts'"};
  const RoutingShape all{call.ranks * point.at("tokens"), point.at("experts"), point.at("top_k")};
  const auto loads = busiest_rank_loads(all, call.ranks, call.routing, kSkewDraws);
  const double rows = static_cast<double>(point.at("tokens") * point.at("top_k"));
  if (!(loads.mean > 0)) return {{0, 1}};
  return {{bytes * loads.mean / rows, std::max(1.0, loads.rows / loads.mean)},
          loads.mean_spread,
          loads.skew_spread};
}

Inputs with_load(Inputs inputs, const ExchangeLoad& load) {
  inputs.size = load.mean_bytes;
  inputs.skew = load.skew;
  return inputs;
}

double ruling_bytes(const Model& model, const Inputs& inputs) {
  return inputs.size * std::pow(inputs.skew, parameter_or(model, "skew_exponent", 0));
}

double draw_doubt(const Model& model, const Inputs& inputs, const ExpectedLoad& expected) {
  const double seconds = evaluate(model, inputs);
  const auto change = [&](double size_factor, double skew_factor) {
    auto other = inputs;
    other.size *= size_factor;
    other.skew *= skew_factor;
    return std::log(evaluate(model, other) / seconds);
  };
  return kFreshDraw * std::hypot(change(std::exp(expected.mean_spread), 1),
                                 change(1, std::exp(expected.skew_spread)));
}

double skew_doubt(const Model& model, const Inputs& inputs) {
  if (!model.skews) return 0;
  const double measured = std::clamp(inputs.skew, model.skews->first, model.skews->second);
  if (measured == inputs.skew) return 0;
  const double seconds = evaluate(model, inputs);
  double doubt = 0;
  for (const double exponent : {0.0, 1.0}) {  // of what the skew is beyond the measured one
    auto other = inputs;
    other.size *= std::pow(inputs.skew / measured, exponent);
    other.skew = measured;
    doubt = std::max(doubt, std::abs(std::log(evaluate(model, other) / seconds)));
  }
  return doubt;
}

}  // namespace moecal::calibration
