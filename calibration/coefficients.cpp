// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/coefficients.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "calibration/residual_text.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

// Keys keep the order in which a reader wants them.
using Json = nlohmann::ordered_json;

Json routing_json(const RoutingConditions& r) {
  Json json{{"distribution", r.distribution},
            {"exponent", r.exponent},
            {"capacity_factor", r.capacity_factor}};
  if (!r.loads.empty()) json["loads"] = r.loads;
  return json;
}

Json conditions_json(const Conditions& c) {
  Json json{{"dtype", c.dtype},
            {"output_dtype", c.output_dtype},
            {"scale_mode", c.scale_mode},
            {"group", c.group},
            {"placement", c.placement},
            {"tier", c.tier},
            {"concurrent_groups", c.concurrent_groups},
            {"implementation", c.implementation},
            {"release", c.release},
            {"cache", c.cache},
            {"graph", c.graph}};
  if (c.nodes != 1) json["nodes"] = c.nodes;
  if (!c.layout.empty()) json["layout"] = c.layout;
  if (!c.routing.distribution.empty()) json["routing"] = routing_json(c.routing);
  if (c.any_routing) json["any_routing"] = true;
  if (!c.settings.empty()) json["settings"] = c.settings;
  return json;
}

Json parameters_json(const std::vector<Parameter>& parameters) {
  Json array = Json::array();
  for (const auto& p : parameters)
    array.push_back({{"name", p.name},
                     {"value", p.value},
                     {"unit", p.unit},
                     {"standard_error", p.standard_error}});
  return array;
}

Json quantiles_json(const std::vector<ResidualQuantile>& quantiles) {
  Json array = Json::array();
  for (const auto& q : quantiles)
    array.push_back(
        {{"from", q.from}, {"to", q.to}, {"half_width_90", q.half_width_90}, {"count", q.count}});
  return array;
}

Json donor_ratios_json(const std::vector<DonorRatio>& ratios) {
  Json array = Json::array();
  for (const auto& r : ratios)
    array.push_back({{"group", r.group}, {"from", r.from}, {"ratio", r.ratio}});
  return array;
}

Json switches_json(const std::vector<SwitchBracket>& switches) {
  Json array = Json::array();
  for (const auto& [bytes, seconds, slopes] : switches)
    array.push_back({{"bytes", bytes}, {"seconds", seconds}, {"slopes", slopes}});
  return array;
}

Json drift_json(const std::vector<ReleaseDrift>& drift) {
  Json array = Json::array();
  for (const auto& row : drift)
    array.push_back({{"operation", row.operation},
                     {"machine", row.machine},
                     {"implementation", row.implementation},
                     {"from", row.from},
                     {"to", row.to},
                     {"median", row.median},
                     {"p5", row.p5},
                     {"p95", row.p95},
                     {"points", row.points}});
  return array;
}

Json quality_json(const FitQuality& q) {
  Json json{{"points", q.points},
            {"in_sample_median_ape", q.in_sample_median_ape},
            {"held_out_median_ape", q.held_out_median_ape},
            {"held_out_p90_ape", q.held_out_p90_ape},
            {"held_out_points", q.held_out_points},
            {"repeated_points", q.repeated_points},
            {"between_run_spread", q.between_run_spread}};
  const auto& v = q.variance;
  if (v.runs > 1 || v.samples_in_runs > 0)
    json["variance"] = {{"runs", v.runs},
                        {"within_run", v.within_run},
                        {"between_runs", v.between_runs},
                        {"samples_in_runs", v.samples_in_runs}};
  if (v.between_freedom > 0) json["variance"]["between_freedom"] = v.between_freedom;
  return json;
}

Json residual_json(const Residual& residual) {
  const auto text = to_text(residual);
  Json json{{"kind", text.kind},
            {"features", text.features},
            {"multiprocessors", text.multiprocessors},
            {"gate", {{"reach", text.reach}, {"centres", text.centres}}}};
  if (residual.kind == kSymmetricTrees) {
    json["borders"] = text.borders;
    json["trees"] = text.trees;
  } else {
    json["lengths"] = text.lengths;
    json["noise"] = text.noise;
    json["weights"] = text.weights;
  }
  json["compact_quantiles"] = quantiles_json(residual.compact_quantiles);
  return json;
}

Json model_json(const Model& m) {
  Json json{{"id", m.id},
            {"operation", m.operation},
            {"card", m.card},
            {"system", m.system},
            {"conditions", conditions_json(m.conditions)},
            {"form", m.form},
            {"parameters", parameters_json(m.parameters)},
            {"knots_bytes", m.knots}};
  if (!m.table.empty()) json["table_bytes_seconds"] = m.table;
  if (!m.table_scales.empty()) json["table_scales"] = m.table_scales;
  if (!m.switches.empty()) json["switches"] = switches_json(m.switches);
  if (m.residual) json["residual"] = residual_json(*m.residual);
  json["residual_quantiles"] = quantiles_json(m.residual_quantiles);
  if (!m.between_quantiles.empty()) json["between_quantiles"] = quantiles_json(m.between_quantiles);
  if (!m.donor_ratios.empty()) json["donor_ratios"] = donor_ratios_json(m.donor_ratios);
  if (!m.layer_models.empty()) {
    json["layer_models"] = m.layer_models;
    json["unseen_model_quantiles"] = quantiles_json(m.unseen_model_quantiles);
  }
  json["validity"] = m.validity;
  for (const auto& routing : m.routings) json["routings"].push_back(routing_json(routing));
  if (m.skews) json["skews"] = *m.skews;
  json["quality"] = quality_json(m.quality);
  json["observation_ids"] = m.observation_ids;
  json["provenance"] = m.provenance;
  return json;
}

/// JSON has no infinity: it would be written as null, and not be readable again.
void check_finite(const Json& json, const std::string& where) {
  if (json.is_number_float() && !std::isfinite(json.get<double>()))
    throw Error{"the fit of '" + where + "' gave a number that is not finite"};
  if (!json.is_structured()) return;  // a number would iterate over itself
  for (const auto& child : json) check_finite(child, where);
}

}  // namespace

std::string to_json(const Coefficients& coefficients) {
  auto models = coefficients.models;
  std::stable_sort(models.begin(), models.end(),
                   [](const Model& a, const Model& b) { return a.id < b.id; });
  Json json{{"schema", kCoefficientsSchema},
            {"source", coefficients.source},
            {"commit", coefficients.commit}};
  if (!coefficients.drift.empty()) json["release_drift"] = drift_json(coefficients.drift);
  json["models"] = Json::array();
  for (const auto& model : models) {
    json["models"].push_back(model_json(model));
    check_finite(json["models"].back(), model.id);
  }
  return json.dump(1) + "\n";
}

}  // namespace moecal::calibration
