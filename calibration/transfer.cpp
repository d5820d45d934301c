// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/transfer.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "calibration/candidates.hpp"
#include "calibration/conformal.hpp"
#include "calibration/latency_bandwidth.hpp"
#include "calibration/piecewise.hpp"
#include "calibration/roofline.hpp"
#include "calibration/segmented_latency_bandwidth.hpp"
#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

using Evidences = std::vector<const Evidence*>;
using Validity = std::map<std::string, std::pair<double, double>>;

const Model& example(const Evidence& evidence) { return evidence.models.models.front(); }

Family family(const Evidence& evidence) {
  const auto& operation = example(evidence).operation;
  // Of these nothing is probed, and their name is enough.
  if (takes_routing(operation) || is_expert_exchange(operation)) return family_of(operation, {});
  return family_of(operation, evidence.probes.front().point);
}

std::vector<FitPoint> curve_of(const Evidence& evidence) {
  std::vector<FitPoint> points;
  for (const auto& probe : evidence.probes) points.push_back(probe.fit);
  return points;
}

// --- The figures of a spec sheet that a series is relative to.

std::optional<BytesPerSecond> link_of(const Card& card, const Conditions& conditions) {
  if (conditions.tier == "intra") return card.link_rate(conditions.group);
  if (!card.nic.rate) return std::nullopt;
  return card.nic.rate->value;
}

/// What a series' time follows on a spec sheet, and so how it is pooled.
enum class Kind { link, arithmetic, memory, unlike };

/// A roofline of the memory-bound family has arithmetic that decides somewhere (attention's): it
/// follows the peak as a GEMM does, whatever form the other donors have.
Kind kind_of(const Evidences& donors) {
  if (example(*donors.front()).operation == "overlap") return Kind::unlike;
  switch (family(*donors.front())) {
    case Family::transfer:
      return Kind::link;
    case Family::gemm:
      return Kind::arithmetic;
    case Family::grouped:
    case Family::exchange:
      return Kind::unlike;
    case Family::memory_bound:
      break;
  }
  for (const auto* donor : donors)
    for (const auto& model : donor->models.models)
      if (model.form == "roofline") return Kind::arithmetic;
  return Kind::memory;
}

/// Why no figure of a spec sheet says how an operation's time goes over to another card.
std::string why_unlike(const std::string& operation) {
  if (operation == "overlap")
    return "an overlap is made of what its parts take on the card itself: predict those first";
  if (operation == "grouped_gemm")
    return "a grouped GEMM's rows are spread over its groups by a routing, and cards are compared "
           "at points alone";
  if (is_expert_exchange(operation))
    return "which copies of a token a library sends, and with how many multiprocessors, is no "
           "figure "
           "of a card";
  return "several kernels in one figure are not transferred: transfer each by itself";
}

/// Why a card's spec sheet cannot place a series; empty: it can.
std::string missing_figure(const Card& card, Kind kind, const Model& like) {
  const auto& conditions = like.conditions;
  const auto missing = [&](const std::string& what) {
    return "the spec sheet of " + card.id + " gives no " + what;
  };
  if (kind == Kind::unlike) return why_unlike(like.operation);
  if (kind == Kind::link) {
    const bool inside = conditions.tier == "intra";
    if (inside && card.devices_per_node && conditions.group > card.devices_per_node->value)
      return "a node of " + card.id + " has " + std::to_string(card.devices_per_node->value) +
             " devices";
    return link_of(card, conditions) ? "" : missing(inside ? "link rate" : "network rate");
  }
  if (!card.memory_bandwidth) return missing("memory bandwidth");
  if (kind == Kind::arithmetic && !card.dense_peak(conditions.dtype))
    return missing("peak in " + conditions.dtype);
  return "";
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

Model pool_transfer(const Evidences& donors, const Card& target, const Conditions& conditions) {
  const double link = link_of(target, conditions)->value();
  Series series;
  for (const auto& probe : donors.front()->probes) {
    const double bytes = probe.fit.inputs.size;
    double log_seconds = 0;
    for (const auto* donor : donors) {
      const double own_link = link_of(donor->donor->card, conditions)->value();
      const auto scaled = std::max<std::int64_t>(std::llround(bytes * own_link / link), 1);
      log_seconds += std::log(donor_seconds(*donor, {{"bytes", scaled}}));
    }
    const double mean = log_seconds / static_cast<double>(donors.size());
    series.points.push_back({probe.fit.inputs, std::exp(mean)});
  }
  auto model = fit_segmented_latency_bandwidth(series.points, most_segments(series.points));
  model.parameters.push_back({"last_rate_spread", last_rate_spread(series), "1", 0});
  return model;
}

/// As `kind`, that of all donors: fewer of them are pooled in the same way.
Model pool(const Evidences& donors, const Card& target, Kind kind) {
  const auto& conditions = example(*donors.front()).conditions;
  switch (kind) {
    case Kind::arithmetic:
      return pool_roofline(donors, target, conditions);
    case Kind::unlike:  // missing_figure keeps it out
    case Kind::memory:
      return pool_memory(donors, target);
    case Kind::link:
      break;
  }
  return pool_transfer(donors, target, conditions);
}

// --- Which donors serve a card, and how wrong they are about each other.

bool same_class(const Card& a, const Card& b) {
  return !a.device_class.empty() && a.device_class == b.device_class;
}

struct Choice {
  Evidences donors;
  bool of_class = false;  // of the target's own
};

Choice choose(const Evidences& all, const Card& target) {
  Choice choice;
  for (const auto* each : all)
    if (same_class(each->donor->card, target)) choice.donors.push_back(each);
  choice.of_class = !choice.donors.empty();
  if (!choice.of_class) choice.donors = all;
  return choice;
}

/// What a transfer gets wrong about one card that is left out.
struct CardErrors {
  std::vector<HeldOut> held_out;
  std::vector<double> half_widths;  // how well the card itself is known there
};

/// For a target of the donors' class, from the others of it; else from cards of other classes.
std::vector<CardErrors> errors_between(const Choice& choice, Kind kind) {
  std::vector<CardErrors> errors;
  for (const auto* left_out : choice.donors) {
    Evidences others;
    for (const auto* each : choice.donors)
      if (each != left_out &&
          same_class(each->donor->card, left_out->donor->card) == choice.of_class)
        others.push_back(each);
    if (others.empty()) continue;
    const auto model = pool(others, left_out->donor->card, kind);
    CardErrors card;
    for (const auto& probe : left_out->probes) {
      card.held_out.push_back(
          {probe.fit.inputs.size, std::log(evaluate(model, probe.fit.inputs) / probe.fit.seconds)});
      card.half_widths.push_back(probe.half_width);
    }
    errors.push_back(std::move(card));
  }
  return errors;
}

bool within(double size, double from, double to) { return size >= from && (to == 0 || size < to); }

/// Of one card in one regime: the quantile of its errors, and how well it is known itself.
std::optional<double> card_half_width(const CardErrors& card, double from, double to) {
  std::vector<double> errors, own;
  for (std::size_t i = 0; i < card.held_out.size(); ++i) {
    if (!within(card.held_out[i].size, from, to)) continue;
    errors.push_back(std::abs(card.held_out[i].log_ratio));
    own.push_back(card.half_widths[i]);
  }
  if (errors.empty()) return std::nullopt;
  const double spread = median(own);
  return std::hypot(quantile(errors, 0.9), spread);
}

/// Where no card could be left out. What latencies of one class do is not in the band of the
/// kernels' shares: between two generations they differ by a factor of 1.7.
double assumed_half_width(Family family) {
  return family == Family::transfer ? kUnknownHalfWidth : kSameClassHalfWidth;
}

ResidualQuantile regime(const std::vector<CardErrors>& cards, double from, double to, Family family,
                        bool of_class) {
  ResidualQuantile result{from, to, 0, 0};
  for (const auto& card : cards) {
    const auto own = card_half_width(card, from, to);
    if (!own) continue;
    result.half_width_90 = std::max(result.half_width_90, *own);
    for (const auto& error : card.held_out)
      if (within(error.size, from, to)) ++result.count;
  }
  if (!of_class)
    result.half_width_90 = std::max(result.half_width_90, kOtherClassHalfWidth);
  else if (result.count == 0)
    result.half_width_90 = assumed_half_width(family);
  return result;
}

std::vector<ResidualQuantile> widths(const std::vector<CardErrors>& cards, Family family,
                                     bool of_class) {
  const auto limits = regime_limits(family);
  std::vector<ResidualQuantile> result;
  for (std::size_t r = 0; r <= limits.size(); ++r)
    result.push_back(regime(cards, r == 0 ? 0 : limits[r - 1], r < limits.size() ? limits[r] : 0,
                            family, of_class));
  return result;
}

// --- One series as a model of the target.

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
  if (is_collective(like.operation))
    series.system =
        card.id + (card.devices_per_node ? "-" + std::to_string(card.devices_per_node->value) : "");
  series.conditions = like.conditions;
  series.conditions.implementation = "transferred";
  series.conditions.release.clear();
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

Model transfer_series(const Evidences& all, const Card& target, Kind kind) {
  const auto choice = choose(all, target);
  Model model = pool(choice.donors, target, kind);
  describe(model, choice.donors, target);
  const auto errors = errors_between(choice, kind);
  model.residual_quantiles = widths(errors, family(*choice.donors.front()), choice.of_class);
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
Evidences usable(const Evidences& others, Kind kind) {
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
                    Kind kind) {
  const auto& card = usable.empty() ? others.front()->donor->card : target;
  return missing_figure(card, kind, example(*others.front()));
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
  for (const auto& [key, all] : evidence_of(donors)) {
    const auto others = others_than(target, all);
    if (others.empty()) continue;
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
  result.coefficients.source = source_text(donors, target);
  return result;
}

}  // namespace moecal::calibration
