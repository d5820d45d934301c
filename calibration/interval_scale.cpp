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

double log_width(const Table& table, std::size_t i) {
  return std::log(table[i + 1].first / table[i].first);
}

}  // namespace

IntervalScale::IntervalScale(const Model& model) {
  if (model.form == "log_log_table") take_bends(model);
  if (model.form == "pooled_curve" && !model.table_scales.empty()) take_scales(model);
  if (gaps_.empty()) return;
  std::vector<double> begins;
  for (std::size_t i = 0; i < gaps_.size(); ++i) begins.push_back(model.table[i].first);
  finder_ = RowFinder{std::move(begins)};
  first_ = model.table.front().first;
  last_ = model.table.back().first;
}

void IntervalScale::take_bends(const Model& model) {
  const auto slopes = slopes_of(model.table);
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    const double width = log_width(model.table, i);
    gaps_.push_back({std::log(model.table[i].first), 1 / width,
                     2 * change_beside(slopes, i) * width / kSmooth});
  }
  if (gaps_.empty()) return;
  below_ = 1 + 0.25 * gaps_.front().bend;
  above_ = 1 + 0.25 * gaps_.back().bend;
}

void IntervalScale::take_scales(const Model& model) {
  const auto& scales = model.table_scales;
  for (std::size_t i = 0; i + 1 < scales.size(); ++i) {
    gaps_.push_back({std::log(model.table[i].first), 1 / log_width(model.table, i), 0, scales[i],
                     scales[i + 1] - scales[i]});
  }
  below_ = scales.front();
  above_ = scales.back();
}

double IntervalScale::at(double size, double log_size) const {
  if (size < first_) return below_;
  if (size > last_) return above_;
  const auto& gap = gaps_[finder_.row(size)];
  const double place = std::min(1.0, (log_size - gap.log_from) * gap.inverse_width);
  return gap.from + place * gap.rise + gap.bend * place * (1 - place);
}

double IntervalScale::at(double size) const {
  return gaps_.empty() ? below_ : at(size, std::log(size));
}

void IntervalScale::at(const WithLogarithms& sizes, std::span<double> scales) const {
  if (gaps_.empty()) return std::fill(scales.begin(), scales.end(), below_);
  for (std::size_t i = 0; i < scales.size(); ++i) scales[i] = at(sizes.values[i], sizes.logs[i]);
}

}  // namespace moecal::calibration
