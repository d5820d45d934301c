// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/donors.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "calibration/operation_work.hpp"
#include "calibration/predict.hpp"
#include "calibration/probe_points.hpp"
#include "calibration/series.hpp"
#include "calibration/settings_choice.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

/// A model over several group sizes (of group 0) says again what those of each size say.
bool is_measurement(const Model& model) {
  return (model.provenance == "measured" || model.provenance == "imported") &&
         model.conditions.group >= 1;
}

/// Asks for the series that a model belongs to.
Query query_of(const Model& model, const Point& point) {
  Query query;
  query.operation = model.operation;
  query.dtype = model.conditions.dtype;
  query.point = point;
  query.group = model.conditions.group;
  query.tier = model.conditions.tier;
  return query;
}

Prediction ask(const Coefficients& models, const Point& point) {
  const auto answer = predict(models, query_of(models.models.front(), point));
  if (!answer.prediction) throw Error{"a donor cannot answer for itself: " + answer.missing};
  return *answer.prediction;
}

std::vector<Probe> probes_of(const Coefficients& models) {
  const auto& model = models.models.front();
  const auto& c = model.conditions;
  const Dtypes dtypes{c.dtype, c.dtype, c.output_dtype, "", "", ""};
  const auto work = kind_of_work(model.operation, c.implementation);
  std::vector<Probe> probes;
  for (const auto& point : probe_points(model)) {
    const auto answer = ask(models, point);
    probes.push_back({point,
                      {inputs_of(work, point, dtypes), answer.seconds},
                      std::log(answer.hi / answer.seconds)});
  }
  return probes;
}

/// Of each operation of each of its systems what was measured in one setting: two would be two
/// machines.
std::vector<Model> in_one_setting(const std::vector<Model>& all) {
  std::map<std::pair<std::string, std::string>, std::vector<const Model*>> alike;
  for (const auto& model : all) alike[{model.operation, model.system}].push_back(&model);
  std::set<const Model*> kept;
  for (const auto& [key, models] : alike) {
    const auto choice = of_one_setting(models, [](const Model&) { return 0.0; });
    kept.insert(choice.models.begin(), choice.models.end());
  }
  std::vector<Model> result;
  for (const auto& model : all)
    if (kept.contains(&model)) result.push_back(model);
  return result;
}

}  // namespace

std::vector<Donor> donors_of(std::span<const Coefficients> files, const std::vector<Card>& cards) {
  std::map<std::string, Donor> donors;
  for (const auto& file : files)
    for (const auto& model : file.models) {
      const auto card = std::find_if(cards.begin(), cards.end(),
                                     [&](const Card& each) { return each.id == model.card; });
      if (card == cards.end() || !is_measurement(model)) continue;
      auto& donor = donors.try_emplace(model.card, Donor{*card, {}}).first->second;
      donor.models.push_back(model);
      if (donor.source.find(file.source) == std::string::npos)
        donor.source += (donor.source.empty() ? "" : "; ") + file.source;
    }
  std::vector<Donor> result;
  for (auto& [id, donor] : donors) {
    donor.models = in_one_setting(donor.models);
    result.push_back(std::move(donor));
  }
  return result;
}

std::string series_key(const Model& model) {
  Series series;
  series.operation = model.operation;
  series.conditions = model.conditions;
  // Times of kernels that move other bytes are not pooled.
  series.conditions.implementation =
      is_fused(model.conditions.implementation) ? "any_fused" : "any";
  series.conditions.release.clear();
  series.conditions.settings.clear();
  return series.id();
}

std::map<std::string, std::vector<Evidence>> evidence_of(std::span<const Donor> donors) {
  std::map<std::string, std::vector<Evidence>> all;
  for (const auto& donor : donors) {
    std::map<std::string, Evidence> own;
    for (const auto& model : donor.models) {
      auto& evidence = own[series_key(model)];
      evidence.donor = &donor;
      evidence.models.models.push_back(model);
    }
    for (auto& [key, evidence] : own) {
      evidence.probes = probes_of(evidence.models);
      all[key].push_back(std::move(evidence));
    }
  }
  return all;
}

double donor_seconds(const Evidence& evidence, const Point& point) {
  return ask(evidence.models, point).seconds;
}

}  // namespace moecal::calibration
