// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/interval_scale.hpp"

#include <algorithm>
#include <cmath>

namespace moecal::calibration {
namespace {

using Table = std::vector<std::pair<double, double>>;

std::vector<double> slopes_of(const Table& table) {
  std::vector<double> slopes;
  for (std::size_t i = 0; i + 1 < table.size(); ++i)
    slopes.push_back(std::log(table[i + 1].second / table[i].second) /
                     std::log(table[i + 1].first / table[i].first));
  return slopes;
}

double change_beside(const std::vector<double>& slopes, std::size_t i) {
  const double before = i == 0 ? slopes[i] : slopes[i - 1];
  const double after = i + 1 == slopes.size() ? slopes[i] : slopes[i + 1];
  return std::max(std::abs(slopes[i] - before), std::abs(after - slopes[i]));
}

}  // namespace

IntervalScale::IntervalScale(const Model& model) {
  if (model.form != "log_log_table") return;
  const auto& table = model.table;
  const auto slopes = slopes_of(table);
  std::vector<double> begins;
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    const double width = std::log(table[i + 1].first / table[i].first);
    gaps_.push_back(
        {std::log(table[i].first), 1 / width, 2 * change_beside(slopes, i) * width / kSmooth});
    begins.push_back(table[i].first);
  }
  if (gaps_.empty()) return;
  finder_ = RowFinder{std::move(begins)};
  first_ = table.front().first;
  last_ = table.back().first;
}

double IntervalScale::at(double size, double log_size) const {
  if (size < first_) return 1 + 0.25 * gaps_.front().bend;
  if (size > last_) return 1 + 0.25 * gaps_.back().bend;
  const auto& gap = gaps_[finder_.row(size)];
  const double place = std::min(1.0, (log_size - gap.log_from) * gap.inverse_width);
  return 1 + gap.bend * place * (1 - place);
}

double IntervalScale::at(double size) const { return gaps_.empty() ? 1 : at(size, std::log(size)); }

void IntervalScale::at(const WithLogarithms& sizes, std::span<double> scales) const {
  if (gaps_.empty()) return std::fill(scales.begin(), scales.end(), 1);
  for (std::size_t i = 0; i < scales.size(); ++i) scales[i] = at(sizes.values[i], sizes.logs[i]);
}

}  // namespace moecal::calibration
