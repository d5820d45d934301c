// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/exchange_skew.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace moecal::calibration {

ExchangeLoad load_of(const ExchangedBytes& exchanged) {
  const double mean = mean_bytes(exchanged);
  return {mean, mean > 0 ? bytes_of_busiest_rank(exchanged) / mean : 1};
}

ExchangeLoad expected_load(const RoutedCall& call) {
  const auto& point = call.point;
  const double bytes = inputs_of("all_to_all_v", point, call.dtypes).size;
  if (point.contains("bytes") || !(bytes > 0)) return {bytes, 1};
  if (!point.contains("experts"))
    throw InvalidInput{"which rank an exchange's rows go to needs the number 'experts'"};
  const RoutingShape all{call.ranks * point.at("tokens"), point.at("experts"), point.at("top_k")};
  const auto loads = busiest_rank_loads(all, call.ranks, call.routing);
  const double rows = static_cast<double>(point.at("tokens") * point.at("top_k"));
  if (!(loads.mean > 0)) return {0, 1};
  return {bytes * loads.mean / rows, std::max(1.0, loads.rows / loads.mean)};
}

Inputs with_load(Inputs inputs, const ExchangeLoad& load) {
  inputs.size = load.mean_bytes;
  inputs.skew = load.skew;
  return inputs;
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
