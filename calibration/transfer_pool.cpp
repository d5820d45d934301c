// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/transfer_pool.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "calibration/candidates.hpp"
#include "calibration/latency_bandwidth.hpp"
#include "calibration/piecewise.hpp"
#include "calibration/roofline.hpp"
#include "calibration/segmented_latency_bandwidth.hpp"

namespace moecal::calibration {
namespace {

std::vector<FitPoint> curve_of(const Evidence& evidence) {
  std::vector<FitPoint> points;
  for (const auto& probe : evidence.probes) points.push_back(probe.fit);
  return points;
}

// --- The figures of a spec sheet that a series is relative to.

/// Work of a CPU and of a driver, whatever the device.
bool is_of_the_host(const std::string& operation) {
  return operation == "host_adam" || operation == "launch";
}

std::optional<BytesPerSecond> link_of(const Card& card, const Model& like) {
  const auto rate_of = [](const Link& link) {
    return link.rate ? std::optional{link.rate->value} : std::nullopt;
  };
  if (like.operation == "host_transfer") return rate_of(card.pcie);
  const auto& conditions = like.conditions;
  return conditions.tier == "intra" ? card.link_rate(conditions.group) : rate_of(card.nic);
}

/// Why no figure of a spec sheet says how an operation's time goes over to another card.
std::string why_unlike(const Model& like) {
  const auto& operation = like.operation;
  if (like.conditions.any_routing)
    return "how far the rank with most bytes holds up the others is no figure of a card";
  if (is_of_the_host(operation))
    return "it is the host's work, and a card's spec sheet says nothing of hosts";
  if (operation == "overlap")
    return "an overlap is made of what its parts take on the card itself: predict those first";
  if (operation == "grouped_gemm")
    return "a grouped GEMM's rows are spread over its groups by a routing, and cards are compared "
           "at points alone";
  if (is_expert_exchange(operation))
    return "which copies of a token a library sends, and with how many multiprocessors, is no "
           "figure of a card";
  return "several kernels in one figure are not transferred: transfer each by itself";
}

ReferenceRates rates_of(const Card& card, const Conditions& conditions) {
  return {card.dense_peak(conditions.dtype)->value(), card.memory_bandwidth->value.value(), true};
}

// --- Pooling: geometric means over the donors, with their spread as the standard error.

Parameter pooled(const std::string& name, const std::string& unit,
                 const std::vector<double>& values) {
  double mean = 0, square = 0;
  const auto n = static_cast<double>(values.size());
  for (const double value : values) mean += std::log(value) / n;
  for (const double value : values) square += std::pow(std::log(value) - mean, 2);
  const double error = n > 1 ? std::sqrt(square / (n - 1) / n) : 0;
  return {name, std::exp(mean), unit, std::exp(mean) * error};
}

Model pool_roofline(const Evidences& donors, const Card& target, const Conditions& conditions) {
  std::map<std::string, std::vector<double>> values;
  for (const auto* donor : donors) {
    const auto own = fit_roofline(curve_of(*donor), rates_of(donor->donor->card, conditions));
    for (const char* name : {"t0", "e1", "e2"}) values[name].push_back(parameter(own, name));
  }
  Model model;
  model.form = "roofline";
  model.parameters = {pooled("t0", "s", values["t0"]), pooled("e1", "1", values["e1"]),
                      pooled("e2", "1", values["e2"])};
  for (const auto& rate : rate_parameters(rates_of(target, conditions)))
    model.parameters.push_back(rate);
  return model;
}

Model pool_memory(const Evidences& donors, const Card& target) {
  std::vector<double> latencies, rates;
  const double nominal = target.memory_bandwidth->value.value();
  for (const auto* donor : donors) {
    const auto own = fit_latency_bandwidth(curve_of(*donor), 1);
    const double share = nominal / donor->donor->card.memory_bandwidth->value.value();
    latencies.push_back(std::max(parameter(own, "latency"), 1e-9));
    rates.push_back(parameter(own, "bandwidth") * share);
  }
  Model model;
  model.form = "latency_bandwidth";
  model.parameters = {pooled("latency", "s", latencies), pooled("bandwidth", "B/s", rates)};
  return model;
}

Model pool_transfer(const Evidences& donors, const Card& target) {
  const auto& like = example(*donors.front());
  const double link = link_of(target, like)->value();
  Series series;
  for (const auto& probe : donors.front()->probes) {
    const double bytes = probe.fit.inputs.size;
    double log_seconds = 0;
    for (const auto* donor : donors) {
      const double own_link = link_of(donor->donor->card, like)->value();
      const auto scaled = std::max<std::int64_t>(std::llround(bytes * own_link / link), 1);
      log_seconds += std::log(donor_seconds(*donor, {{"bytes", scaled}}));
    }
    const double mean = log_seconds / static_cast<double>(donors.size());
    series.points.push_back({probe.fit.inputs, std::exp(mean)});
  }
  auto model = fit_segmented_latency_bandwidth(series.points, most_segments(series.points));
  model.parameters.push_back({"last_rate_spread", last_rate_spread(series, model), "1", 0});
  return model;
}

}  // namespace

const Model& example(const Evidence& evidence) { return evidence.models.models.front(); }

Family family_of(const Evidence& evidence) {
  const auto& operation = example(evidence).operation;
  // Of these nothing is probed, and their name is enough.
  if (takes_routing(operation) || is_expert_exchange(operation)) return family_of(operation, {});
  return family_of(operation, evidence.probes.front().point);
}

/// A roofline of the memory-bound family has arithmetic that decides somewhere (attention's): it
/// follows the peak as a GEMM does, whatever form the other donors have.
TransferKind kind_of(const Evidences& donors) {
  const auto& like = example(*donors.front());
  if (like.conditions.any_routing || is_of_the_host(like.operation)) return TransferKind::unlike;
  if (like.operation == "overlap") return TransferKind::unlike;
  switch (family_of(*donors.front())) {
    case Family::transfer:
      return TransferKind::link;
    case Family::gemm:
      return TransferKind::arithmetic;
    case Family::grouped:
    case Family::exchange:
      return TransferKind::unlike;
    case Family::memory_bound:
      break;
  }
  for (const auto* donor : donors)
    for (const auto& model : donor->models.models)
      if (model.form == "roofline") return TransferKind::arithmetic;
  return TransferKind::memory;
}

std::string missing_figure(const Card& card, TransferKind kind, const Model& like) {
  const auto& conditions = like.conditions;
  const auto missing = [&](const std::string& what) {
    return "the spec sheet of " + card.id + " gives no " + what;
  };
  if (kind == TransferKind::unlike) return why_unlike(like);
  if (kind == TransferKind::link) {
    if (like.operation == "host_transfer")
      return card.pcie.rate ? "" : missing("rate of its link to the host");
    const bool inside = conditions.tier == "intra";
    if (inside && card.devices_per_node && conditions.group > card.devices_per_node->value)
      return "a node of " + card.id + " has " + std::to_string(card.devices_per_node->value) +
             " devices";
    return link_of(card, like) ? "" : missing(inside ? "link rate" : "network rate");
  }
  if (!card.memory_bandwidth) return missing("memory bandwidth");
  if (kind == TransferKind::arithmetic && !card.dense_peak(conditions.dtype))
    return missing("peak in " + conditions.dtype);
  return "";
}

Model pool(const Evidences& donors, const Card& target, TransferKind kind) {
  const auto& conditions = example(*donors.front()).conditions;
  switch (kind) {
    case TransferKind::arithmetic:
      return pool_roofline(donors, target, conditions);
    case TransferKind::unlike:  // missing_figure keeps it out
    case TransferKind::memory:
      return pool_memory(donors, target);
    case TransferKind::link:
      break;
  }
  return pool_transfer(donors, target);
}

}  // namespace moecal::calibration
