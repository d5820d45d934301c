// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/transfer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "calibration/operation_work.hpp"
#include "calibration/series.hpp"
#include "calibration/transfer_pool.hpp"
#include "calibration/transfer_widths.hpp"
#include "core/collective.hpp"
#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

using Validity = std::map<std::string, std::pair<double, double>>;

Validity common_validity(const Evidences& donors) {
  Validity common = example(*donors.front()).validity;
  for (const auto* donor : donors)
    for (const auto& [name, range] : example(*donor).validity) {
      auto& have = common.try_emplace(name, range).first->second;
      have = {std::max(have.first, range.first), std::min(have.second, range.second)};
    }
  return common;
}

FitQuality quality_of(const std::vector<CardErrors>& cards, std::size_t points) {
  FitQuality quality;
  quality.points = static_cast<int>(points);
  std::vector<double> apes;
  for (const auto& card : cards)
    for (const auto& error : card.held_out) apes.push_back(std::abs(std::expm1(error.log_ratio)));
  quality.held_out_points = static_cast<int>(apes.size());
  if (apes.empty()) return quality;
  quality.held_out_median_ape = quantile(apes, 0.5);
  quality.held_out_p90_ape = quantile(apes, 0.9);
  return quality;
}

/// The series of a card that is like one of a donor's.
Series series_of(const Model& like, const Card& card) {
  Series series;
  series.operation = like.operation;
  series.card = card.id;
  if (is_call_of_system(like.operation))
    series.system =
        card.id + (card.devices_per_node ? "-" + std::to_string(card.devices_per_node->value) : "");
  series.conditions = like.conditions;
  series.conditions.implementation =
      is_fused(like.conditions.implementation) ? "transferred_fused" : "transferred";
  series.conditions.release.clear();
  series.conditions.settings.clear();
  return series;
}

void describe(Model& model, const Evidences& donors, const Card& target) {
  const auto series = series_of(example(*donors.front()), target);
  model.operation = series.operation;
  model.card = series.card;
  model.system = series.system;
  model.conditions = series.conditions;
  model.id = series.id() + "/" + model.form;
  model.validity = common_validity(donors);
  model.provenance = "transferred";
  for (const auto* donor : donors)
    for (const auto& each : donor->models.models) model.observation_ids.push_back(each.id);
}

Model transfer_series(const Evidences& all, const Card& target, TransferKind kind) {
  const auto choice = choose_donors(all, target);
  Model model = pool(choice.donors, target, kind);
  describe(model, choice.donors, target);
  const auto errors = errors_between(choice, kind);
  model.residual_quantiles =
      transfer_widths(errors, family_of(*choice.donors.front()), choice.of_class);
  model.quality = quality_of(errors, choice.donors.front()->probes.size() * choice.donors.size());
  return model;
}

/// The evidence of a series on other cards than the target.
Evidences others_than(const Card& target, const std::vector<Evidence>& all) {
  Evidences others;
  for (const auto& each : all)
    if (each.donor->card.id != target.id) others.push_back(&each);
  return others;
}

/// Of them those whose own spec sheets place the series.
Evidences usable(const Evidences& others, TransferKind kind) {
  Evidences kept;
  for (const auto* each : others)
    if (missing_figure(each->donor->card, kind, example(*each)).empty()) kept.push_back(each);
  return kept;
}

NotTransferred left_out(const Series& series, const std::string& reason) {
  return {series.id(), reason, series.operation, series.conditions};
}

/// Why a series that other cards measured is not transferred; empty where it is.
std::string why_not(const Evidences& others, const Evidences& usable, const Card& target,
                    TransferKind kind) {
  const auto& card = usable.empty() ? others.front()->donor->card : target;
  return missing_figure(card, kind, example(*others.front()));
}

constexpr std::array kOnOneCard{"memory_copy", "memory_stream", "host_transfer",
                                "permute",     "unpermute",     "quantize",
                                "swiglu",      "topk_gate",     "attention"};

/// What other cards measured.
using Measured = std::set<std::pair<std::string, std::string>>;  // operation and tier

NotTransferred unmeasured(const std::string& operation, const std::string& tier) {
  NotTransferred one{operation + (tier == "inter" ? " between nodes" : ""),
                     "no other measured card has it",
                     operation,
                     {}};
  one.conditions.tier = tier;
  return one;
}

std::vector<NotTransferred> unmeasured_besides(const Measured& measured) {
  std::vector<NotTransferred> all;
  const auto ask = [&](const std::string& operation, const std::string& tier) {
    if (!measured.contains({operation, tier})) all.push_back(unmeasured(operation, tier));
  };
  for (const char* operation : kOnOneCard) ask(operation, "intra");
  for (const auto& facts : collectives())
    for (const char* tier : {"intra", "inter"}) ask(std::string{facts.name}, tier);
  return all;
}

std::string source_text(std::span<const Donor> donors, const Card& target) {
  std::string text = "transferred by moecal to the spec sheet of " + target.id;
  if (!target.unverified.empty()) text += "; figures of it that are not verified:";
  for (const auto& figure : target.unverified)
    text += (figure == target.unverified.front() ? " " : ", ") + figure;
  for (const auto& donor : donors)
    if (donor.card.id != target.id) text += "; of " + donor.card.id + ": " + donor.source;
  return text;
}

}  // namespace

TransferResult transfer(std::span<const Donor> donors, const Card& target) {
  if (donors.empty())
    throw InvalidInput{
        "there is no measured card to transfer from; give coefficients that "
        "'moecal fit' wrote, of cards that have a spec sheet in hardware/"};
  TransferResult result;
  auto& models = result.coefficients.models;
  Measured measured;
  for (const auto& [key, all] : evidence_of(donors)) {
    const auto others = others_than(target, all);
    if (others.empty()) continue;
    measured.emplace(example(*others.front()).operation, example(*others.front()).conditions.tier);
    const auto kind = kind_of(others);
    const auto evidence = usable(others, kind);
    const auto missing = why_not(others, evidence, target, kind);
    if (!missing.empty())
      result.left_out.push_back(left_out(series_of(example(all.front()), target), missing));
    else
      models.push_back(transfer_series(evidence, target, kind));
  }
  if (models.empty())
    throw InvalidInput{"nothing can be transferred to " + target.id +
                       (result.left_out.empty() ? ": no other card was measured"
                                                : ": " + result.left_out.front().reason)};
  result.unmeasured = unmeasured_besides(measured);
  result.coefficients.source = source_text(donors, target);
  return result;
}

}  // namespace moecal::calibration
