// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/transfer_widths.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "calibration/transfer.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

bool same_class(const Card& a, const Card& b) {
  return !a.device_class.empty() && a.device_class == b.device_class;
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

/// The widest of n cards that were left out holds for a further one n times in n + 1: four of five
/// with four of them. Of fewer it is widened, as conformal_half_width() does with few points.
double for_few_cards(std::size_t n) { return std::max(1.0, 5 / (static_cast<double>(n) + 1)); }

/// Where no card could be left out. What latencies of one class do is not in the band of the
/// kernels' shares: between two generations they differ by a factor of 1.7.
double assumed_half_width(Family family) {
  return family == Family::transfer ? kUnknownHalfWidth : kSameClassHalfWidth;
}

ResidualQuantile regime(const std::vector<CardErrors>& cards, double from, double to, Family family,
                        bool of_class) {
  ResidualQuantile result{from, to, 0, 0};
  std::size_t heard = 0;
  for (const auto& card : cards) {
    const auto own = card_half_width(card, from, to);
    if (!own) continue;
    ++heard;
    result.half_width_90 = std::max(result.half_width_90, *own);
    for (const auto& error : card.held_out)
      if (within(error.size, from, to)) ++result.count;
  }
  result.half_width_90 *= for_few_cards(heard);
  if (!of_class)
    result.half_width_90 = std::max(result.half_width_90, kOtherClassHalfWidth);
  else if (result.count == 0)
    result.half_width_90 = assumed_half_width(family);
  return result;
}

}  // namespace

DonorChoice choose_donors(const Evidences& all, const Card& target) {
  DonorChoice choice;
  for (const auto* each : all)
    if (same_class(each->donor->card, target)) choice.donors.push_back(each);
  choice.of_class = !choice.donors.empty();
  if (!choice.of_class) choice.donors = all;
  return choice;
}

std::vector<CardErrors> errors_between(const DonorChoice& choice, TransferKind kind) {
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

std::vector<ResidualQuantile> transfer_widths(const std::vector<CardErrors>& cards, Family family,
                                              bool of_class) {
  const auto limits = regime_limits(family);
  std::vector<ResidualQuantile> result;
  for (std::size_t r = 0; r <= limits.size(); ++r)
    result.push_back(regime(cards, r == 0 ? 0 : limits[r - 1], r < limits.size() ? limits[r] : 0,
                            family, of_class));
  return result;
}

}  // namespace moecal::calibration
