// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "calibration/form.hpp"
#include "calibration/interval_scale.hpp"
#include "calibration/residual_text.hpp"
#include "core/dtype.hpp"
#include "core/join.hpp"
#include "core/json_reader.hpp"
#include "core/routing_loads.hpp"

namespace moecal::calibration {
namespace {

/// @throws InvalidInput where the field is none of the words.
void require_one_of(const JsonReader& r, const std::string& field,
                    std::initializer_list<std::string_view> words) {
  const auto value = r.require<std::string>(field);
  if (std::find(words.begin(), words.end(), value) != words.end()) return;
  r.fail(field, "is '" + value + "', which is none of: " + join(words));
}

void require_dtype_or_nothing(const JsonReader& r, const std::string& field) {
  const auto value = r.require<std::string>(field);
  try {
    if (!value.empty()) (void)parse_dtype(value);
  } catch (const InvalidInput& error) {
    r.fail(field, std::string{"is wrong: "} + error.what());
  }
}

double not_negative(const JsonReader& r, const std::string& field) {
  const auto value = r.require<double>(field);
  if (!(value >= 0)) r.fail(field, "is negative");
  return value;
}

/// Whether there is such a list or object. One that holds nothing is no other way to say so.
bool has_some(const JsonReader& r, const std::string& field) {
  if (!r.has(field)) return false;
  const auto& json = r.json().at(field);
  if (json.is_structured() && json.empty()) r.fail(field, "is empty: leave it out, or fill it");
  return true;
}

int count_of(const JsonReader& r, const std::string& field, int least = 0) {
  const auto value = r.require<int>(field);
  if (value < least)
    r.fail(field, "is " + std::to_string(value) + ", less than " + std::to_string(least));
  return value;
}

void check_conditions(const JsonReader& r) {
  require_dtype_or_nothing(r, "dtype");
  require_dtype_or_nothing(r, "output_dtype");
  require_one_of(r, "placement", {"contiguous", "strided"});
  require_one_of(r, "tier", {"intra", "inter"});
  (void)count_of(r, "group");
  (void)count_of(r, "concurrent_groups", 1);
  if (r.has("nodes")) (void)count_of(r, "nodes", 1);
}

RoutingConditions read_routing(const JsonReader& r) {
  require_one_of(r, "distribution",
                 {"uniform", "balanced", "power_law", "power_law_loads", "recorded"});
  RoutingConditions routing{r.require<std::string>("distribution"), not_negative(r, "exponent"),
                            not_negative(r, "capacity_factor"),
                            r.optional<std::vector<double>>("loads", {})};
  check_routing_loads(r, routing.distribution, routing.loads);
  return routing;
}

Conditions read_conditions(const JsonReader& r) {
  check_conditions(r);
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
  c.layout = r.optional<std::string>("layout", "");
  if (r.has("routing")) c.routing = read_routing(r.object("routing"));
  c.any_routing = r.optional<bool>("any_routing", false);
  if (has_some(r, "settings")) c.settings = r.require<Settings>("settings");
  return c;
}

/// A number in another unit is a number wrong by a power of ten: refused.
Parameter read_parameter(const JsonReader& r, const Form& form) {
  Parameter p{r.require<std::string>("name"), r.require<double>("value"),
              r.require<std::string>("unit"), not_negative(r, "standard_error")};
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
  std::set<std::string> seen;
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

/// Regimes follow each other from 0 to no end: a size in a gap would have no interval.
void check_regime(const JsonReader& r, const std::vector<ResidualQuantile>& before,
                  const ResidualQuantile& quantile) {
  const double begin = before.empty() ? 0 : before.back().to;
  if (quantile.from != begin || (!before.empty() && begin == 0))
    r.fail("from",
           "does not follow what is before it: the regimes of sizes must touch, the first "
           "from 0, the last to 0 (no end)");
  if (quantile.to != 0 && quantile.to <= quantile.from)
    r.fail("to", "is not above 'from': the regime holds no size");
}

std::vector<ResidualQuantile> read_quantiles(const JsonReader& r, const std::string& field) {
  std::vector<ResidualQuantile> quantiles;
  for (const auto& entry : r.objects(field)) {
    const ResidualQuantile quantile{not_negative(entry, "from"), not_negative(entry, "to"),
                                    not_negative(entry, "half_width_90"), count_of(entry, "count")};
    check_regime(entry, quantiles, quantile);
    quantiles.push_back(quantile);
  }
  if (!quantiles.empty() && quantiles.back().to != 0)
    r.fail(field, "ends at a size: the last regime has the 'to' 0, which is no end");
  return quantiles;
}

VarianceComponents read_variance(const JsonReader& r) {
  return {count_of(r, "runs"), not_negative(r, "within_run"), not_negative(r, "between_runs"),
          count_of(r, "samples_in_runs"),
          r.has("between_freedom") ? not_negative(r, "between_freedom") : 0};
}

std::vector<SwitchBracket> read_switches(const JsonReader& r) {
  std::vector<SwitchBracket> switches;
  for (const auto& entry : r.objects("switches")) {
    using Pair = std::pair<double, double>;
    switches.push_back({entry.require<Pair>("bytes"), entry.require<Pair>("seconds"),
                        entry.require<Pair>("slopes")});
    const auto& [bytes, seconds, slopes] = switches.back();
    if (!(bytes.first > 0 && bytes.second > bytes.first))
      entry.fail("bytes", "is not two sizes, the smaller first");
    if (!(seconds.first > 0 && seconds.second > 0))
      entry.fail("seconds", "holds a number that is not positive");
    for (const double slope : {slopes.first, slopes.second})
      if (!(slope >= 0 && slope <= 1)) entry.fail("slopes", "holds a number past 0 to 1");
  }
  return switches;
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
  q.points = count_of(r, "points");
  q.in_sample_median_ape = not_negative(r, "in_sample_median_ape");
  q.held_out_median_ape = not_negative(r, "held_out_median_ape");
  q.held_out_p90_ape = not_negative(r, "held_out_p90_ape");
  q.held_out_points = count_of(r, "held_out_points");
  q.repeated_points = count_of(r, "repeated_points");
  q.between_run_spread = not_negative(r, "between_run_spread");
  if (r.has("variance")) q.variance = read_variance(r.object("variance"));
  return q;
}

void check_validity(const JsonReader& r, const Model& m) {
  const auto ranges = r.object("validity");
  if (m.conditions.group == kAnyGroup && !m.validity.contains("bytes"))
    r.fail("validity", "lacks 'bytes', by which a model of any group (group 0) is asked");
  for (const auto& [name, range] : m.validity) {
    if (range.first < 0) ranges.fail(name, "begins below 0");
    if (range.first > range.second) ranges.fail(name, "ends below its begin");
  }
}

void check_table_scales(const JsonReader& r, const Model& m) {
  if (m.table_scales.empty()) return;
  if (m.form != "pooled_curve")
    r.fail("table_scales", "goes with the form pooled_curve, not " + m.form);
  if (m.table_scales.size() != m.table.size())
    r.fail("table_scales", "has " + std::to_string(m.table_scales.size()) +
                               " numbers, and table_bytes_seconds " +
                               std::to_string(m.table.size()) + " rows");
  const auto [least, most] = std::ranges::minmax(m.table_scales);
  if (!(least >= IntervalScale::kLeast && most <= IntervalScale::kMost))
    r.fail("table_scales", "holds a number that is not from 0.01 to 100, as every fit's are");
}

void check_shape(const JsonReader& r, const Model& m) {
  if (!m.knots.empty() && m.knots.front() <= 0)
    r.fail("knots_bytes", "holds a number that is not positive");
  if (!std::is_sorted(m.knots.begin(), m.knots.end())) r.fail("knots_bytes", "is not ascending");
  const auto past = [](const auto& a, const auto& b) { return a.first >= b.first; };
  if (std::adjacent_find(m.table.begin(), m.table.end(), past) != m.table.end())
    r.fail("table_bytes_seconds", "is not ascending in bytes");
  for (const auto& [size, seconds] : m.table)
    if (!(size > 0 && seconds > 0))
      r.fail("table_bytes_seconds", "holds a number that is not positive");
  if (m.form == "log_log_table" && m.table.empty())
    r.fail("table_bytes_seconds", "is missing, and the form log_log_table is nothing else");
  check_table_scales(r, m);
}

ReleaseDrift read_drift(const JsonReader& r) {
  return {r.require<std::string>("operation"),
          r.require<std::string>("machine"),
          r.require<std::string>("implementation"),
          r.require<std::string>("from"),
          r.require<std::string>("to"),
          not_negative(r, "median"),
          not_negative(r, "p5"),
          not_negative(r, "p95"),
          count_of(r, "points")};
}

std::pair<double, double> read_skews(const JsonReader& r) {
  const auto skews = r.require<std::pair<double, double>>("skews");
  if (!(skews.first >= 1 && skews.second >= skews.first))
    r.fail("skews", "is not two numbers from 1 on, the smaller first");
  return skews;
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
  if (has_some(r, "table_bytes_seconds"))
    m.table = r.require<std::vector<std::pair<double, double>>>("table_bytes_seconds");
  if (has_some(r, "table_scales")) m.table_scales = r.require<std::vector<double>>("table_scales");
  if (has_some(r, "switches")) m.switches = read_switches(r);
  m.residual_quantiles = read_quantiles(r, "residual_quantiles");
  if (r.has("between_quantiles")) m.between_quantiles = read_quantiles(r, "between_quantiles");
  if (r.has("donor_ratios")) m.donor_ratios = read_donor_ratios(r);
  if (has_some(r, "layer_models")) {
    m.layer_models = r.require<std::vector<Point>>("layer_models");
    for (const auto& numbers : m.layer_models)
      if (model_numbers(numbers) != numbers)
        r.fail("layer_models", "holds other numbers than hidden, inter, experts and top_k");
    m.unseen_model_quantiles = read_quantiles(r, "unseen_model_quantiles");
  }
  m.validity = r.require<std::map<std::string, std::pair<double, double>>>("validity");
  check_validity(r, m);
  if (has_some(r, "routings"))
    for (const auto& entry : r.objects("routings")) m.routings.push_back(read_routing(entry));
  if (r.has("skews")) m.skews = read_skews(r);
  if (m.conditions.any_routing != m.skews.has_value())
    r.fail("skews", "goes with the condition any_routing, and that with it");
  m.quality = read_quality(r.object("quality"));
  m.observation_ids = r.require<std::vector<std::string>>("observation_ids");
  require_one_of(r, "provenance", {"measured", "imported", "transferred", "nominal"});
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
  if (has_some(reader, "release_drift"))
    for (const auto& row : reader.objects("release_drift"))
      coefficients.drift.push_back(read_drift(row));
  std::set<std::string> ids;
  for (const auto& model : reader.objects("models")) {
    coefficients.models.push_back(read_model(model));
    if (const auto& id = coefficients.models.back().id; !ids.insert(id).second)
      model.fail("id", "is '" + id + "' for the second time");
  }
  return coefficients;
}

Coefficients read_coefficients(const std::string& path) {
  return parse_coefficients(read_file(path), path);
}

}  // namespace moecal::calibration
