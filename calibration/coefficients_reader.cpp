// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "calibration/form.hpp"
#include "calibration/residual_text.hpp"
#include "core/json_reader.hpp"

namespace moecal::calibration {
namespace {

RoutingConditions read_routing(const JsonReader& r) {
  return {r.require<std::string>("distribution"), r.require<double>("exponent"),
          r.require<double>("capacity_factor")};
}

Conditions read_conditions(const JsonReader& r) {
  Conditions c;
  c.dtype = r.require<std::string>("dtype");
  c.output_dtype = r.require<std::string>("output_dtype");
  c.scale_mode = r.require<std::string>("scale_mode");
  c.group = r.require<int>("group");
  c.placement = r.require<std::string>("placement");
  c.tier = r.require<std::string>("tier");
  c.concurrent_groups = r.require<int>("concurrent_groups");
  c.implementation = r.require<std::string>("implementation");
  c.release = r.require<std::string>("release");
  c.cache = r.require<std::string>("cache");
  c.graph = r.require<std::string>("graph");
  c.nodes = r.optional<int>("nodes", 1);
  if (r.has("routing")) c.routing = read_routing(r.object("routing"));
  return c;
}

/// A number in another unit is a number wrong by a power of ten: refused.
Parameter read_parameter(const JsonReader& r, const Form& form) {
  Parameter p{r.require<std::string>("name"), r.require<double>("value"),
              r.require<std::string>("unit"), r.require<double>("standard_error")};
  const auto spec = std::find_if(form.parameters.begin(), form.parameters.end(),
                                 [&](const ParameterSpec& s) { return s.name == p.name; });
  if (spec == form.parameters.end())
    r.fail("name",
           "is '" + p.name + "', which the form " + std::string{form.name} + " does not have");
  if (spec->unit != p.unit)
    r.fail("unit", "is '" + p.unit + "'; " + p.name + " of the form " + std::string{form.name} +
                       " is in '" + std::string{spec->unit} + "'");
  return p;
}

void read_parameters(const JsonReader& r, Model& m) {
  const Form& shape = form(m.form);
  std::set<std::string_view> seen;
  for (const auto& entry : r.objects("parameters")) {
    m.parameters.push_back(read_parameter(entry, shape));
    if (!seen.insert(m.parameters.back().name).second)
      entry.fail("name", "is '" + m.parameters.back().name + "' for the second time");
  }
  for (const auto& spec : shape.parameters)
    if (spec.required && parameter_or(m, spec.name, -1) < 0)
      r.fail("parameters", "lacks a non-negative '" + std::string{spec.name} +
                               "', which the form " + m.form + " needs");
}

std::vector<ResidualQuantile> read_quantiles(const JsonReader& r, const std::string& field) {
  std::vector<ResidualQuantile> quantiles;
  for (const auto& entry : r.objects(field))
    quantiles.push_back({entry.require<double>("from"), entry.require<double>("to"),
                         entry.require<double>("half_width_90"), entry.require<int>("count")});
  return quantiles;
}

VarianceComponents read_variance(const JsonReader& r) {
  return {r.require<int>("runs"), r.require<double>("within_run"),
          r.require<double>("between_runs"), r.require<int>("samples_in_runs")};
}

std::vector<DonorRatio> read_donor_ratios(const JsonReader& r) {
  std::vector<DonorRatio> ratios;
  for (const auto& entry : r.objects("donor_ratios")) {
    ratios.push_back({entry.require<int>("group"), entry.require<std::vector<int>>("from"),
                      entry.require<std::vector<std::pair<double, double>>>("ratio")});
    const auto& one = ratios.back();
    if (one.from.empty() || one.from.size() > 2) entry.fail("from", "names not one or two groups");
    if (one.ratio.empty()) entry.fail("ratio", "is empty");
    for (const auto& [size, ratio] : one.ratio)
      if (!(size > 0 && ratio > 0)) entry.fail("ratio", "holds a number that is not positive");
  }
  return ratios;
}

using Lines = std::vector<std::string>;

Residual read_residual(const JsonReader& r) {
  r.allow_only({"kind", "features", "multiprocessors", "gate", "borders", "trees", "lengths",
                "noise", "weights", "compact_quantiles"});
  ResidualText text;
  text.kind = r.require<std::string>("kind");
  text.features = r.require<std::string>("features");
  text.multiprocessors = r.require<double>("multiprocessors");
  text.borders = r.optional<Lines>("borders", {});
  text.trees = r.optional<Lines>("trees", {});
  text.lengths = r.optional<std::vector<double>>("lengths", {});
  text.noise = r.optional<double>("noise", 0);
  text.weights = r.optional<std::string>("weights", "");
  const auto gate = r.object("gate");
  text.reach = gate.require<double>("reach");
  text.centres = gate.require<Lines>("centres");
  auto residual = residual_of(
      text, [&](const std::string& field, const std::string& problem) { r.fail(field, problem); });
  residual.compact_quantiles = read_quantiles(r, "compact_quantiles");
  return residual;
}

FitQuality read_quality(const JsonReader& r) {
  FitQuality q;
  q.points = r.require<int>("points");
  q.in_sample_median_ape = r.require<double>("in_sample_median_ape");
  q.held_out_median_ape = r.require<double>("held_out_median_ape");
  q.held_out_p90_ape = r.require<double>("held_out_p90_ape");
  q.held_out_points = r.require<int>("held_out_points");
  q.repeated_points = r.require<int>("repeated_points");
  q.between_run_spread = r.require<double>("between_run_spread");
  if (r.has("variance")) q.variance = read_variance(r.object("variance"));
  return q;
}

void check_shape(const JsonReader& r, const Model& m) {
  if (!std::is_sorted(m.knots.begin(), m.knots.end())) r.fail("knots_bytes", "is not ascending");
  const auto past = [](const auto& a, const auto& b) { return a.first >= b.first; };
  if (std::adjacent_find(m.table.begin(), m.table.end(), past) != m.table.end())
    r.fail("table_bytes_seconds", "is not ascending in bytes");
  for (const auto& [size, seconds] : m.table)
    if (!(size > 0 && seconds > 0))
      r.fail("table_bytes_seconds", "holds a number that is not positive");
  if (m.form == "log_log_table" && m.table.empty())
    r.fail("table_bytes_seconds", "is missing, and the form log_log_table is nothing else");
}

Model read_model(const JsonReader& r) {
  Model m;
  m.id = r.require<std::string>("id");
  m.operation = r.require<std::string>("operation");
  m.card = r.require<std::string>("card");
  m.system = r.require<std::string>("system");
  m.conditions = read_conditions(r.object("conditions"));
  m.form = r.require<std::string>("form");
  try {
    read_parameters(r, m);
  } catch (const InvalidInput& error) {
    // form() knows no file: say which one named a form that does not exist.
    const std::string text = error.what();
    if (text.starts_with("unknown form")) r.fail("form", "is wrong: " + text);
    throw;
  }
  m.knots = r.require<std::vector<double>>("knots_bytes");
  m.table = r.optional<std::vector<std::pair<double, double>>>("table_bytes_seconds", {});
  m.residual_quantiles = read_quantiles(r, "residual_quantiles");
  if (r.has("between_quantiles")) m.between_quantiles = read_quantiles(r, "between_quantiles");
  if (r.has("donor_ratios")) m.donor_ratios = read_donor_ratios(r);
  m.validity = r.require<std::map<std::string, std::pair<double, double>>>("validity");
  m.quality = read_quality(r.object("quality"));
  m.observation_ids = r.require<std::vector<std::string>>("observation_ids");
  m.provenance = r.require<std::string>("provenance");
  if (r.has("residual")) m.residual = read_residual(r.object("residual"));
  check_shape(r, m);
  return m;
}

}  // namespace

Coefficients parse_coefficients(const std::string& text, const std::string& name) {
  const auto json = parse_json(text, {name, 0});
  const JsonReader reader{json, {name, 0}};
  const auto schema = reader.require<std::string>("schema");
  if (schema != kCoefficientsSchema)
    reader.fail("schema", "is '" + schema + "'; this moecal reads " + kCoefficientsSchema +
                              ": fit again with this moecal");
  Coefficients coefficients{
      reader.require<std::string>("source"), reader.require<std::string>("commit"), {}};
  for (const auto& model : reader.objects("models"))
    coefficients.models.push_back(read_model(model));
  return coefficients;
}

Coefficients read_coefficients(const std::string& path) {
  return parse_coefficients(read_file(path), path);
}

}  // namespace moecal::calibration
