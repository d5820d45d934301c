// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <tuple>

#include "calibration/conformal.hpp"
#include "calibration/predict.hpp"
#include "calibration/transfer.hpp"
#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::calibration {
namespace {

/// Points of one row of the table while they are gathered.
struct Gathered {
  std::vector<double> apes, half_widths;
  int covered = 0;
};

using Row = std::tuple<std::string, std::string, std::string, double, double>;
using Table = std::map<Row, Gathered>;

std::pair<double, double> regime_of(const Model& model, double size) {
  for (const auto& quantile : model.residual_quantiles)
    if (size >= quantile.from && (quantile.to == 0 || size < quantile.to))
      return {quantile.from, quantile.to};
  return {0, 0};
}

void compare(const Model& transferred, const Evidence& measured, Table& table) {
  const auto& c = transferred.conditions;
  for (const auto& probe : measured.probes) {
    const auto prediction = predict_with(transferred, probe.point);
    const auto [from, to] = regime_of(transferred, probe.fit.inputs.size);
    auto& row = table[{transferred.operation, c.dtype, c.scale_mode, from, to}];
    row.apes.push_back(std::abs(prediction.seconds / probe.fit.seconds - 1));
    row.half_widths.push_back(std::log(prediction.hi / prediction.seconds));
    if (probe.fit.seconds >= prediction.lo && probe.fit.seconds <= prediction.hi) ++row.covered;
  }
}

void append(const Table& table, const std::string& card, std::vector<TransferScore>& scores) {
  for (const auto& [row, points] : table) {
    const auto& [operation, dtype, scale_mode, from, to] = row;
    const auto n = static_cast<int>(points.apes.size());
    scores.push_back({operation, dtype, scale_mode, card, from, to, n, quantile(points.apes, 0.5),
                      quantile(points.apes, 0.9), static_cast<double>(points.covered) / n,
                      median(points.half_widths)});
  }
}

}  // namespace

std::vector<TransferScore> leave_one_card_out(std::span<const Donor> donors) {
  if (donors.size() < 2)
    throw InvalidInput{
        "leaving a card out needs the coefficients of at least two cards, and there "
        "are those of " +
        std::to_string(donors.size())};
  std::vector<TransferScore> scores;
  const auto evidence = evidence_of(donors);
  for (const auto& donor : donors) {
    Table table;
    for (const auto& model : transfer(donors, donor.card).coefficients.models)
      for (const auto& each : evidence.at(series_key(model)))
        if (each.donor->card.id == donor.card.id) compare(model, each, table);
    append(table, donor.card.id, scores);
  }
  std::stable_sort(scores.begin(), scores.end(), [](const auto& a, const auto& b) {
    return std::tie(a.operation, a.dtype, a.scale_mode, a.from) <
           std::tie(b.operation, b.dtype, b.scale_mode, b.from);
  });
  return scores;
}

}  // namespace moecal::calibration
