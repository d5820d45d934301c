// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/score.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::evaluation {

void Score::take(const Estimate& estimate, double measured) {
  if (!(std::isfinite(estimate.seconds) && estimate.seconds > 0))
    throw Error{"a form estimated " + std::to_string(estimate.seconds) +
                " s where a positive time was asked for"};
  apes_.push_back(std::abs(estimate.seconds / measured - 1));
  if (estimate.hi <= 0) return;
  half_widths_.push_back(estimate.hi / estimate.seconds - 1);
  covered_ += measured >= estimate.lo && measured <= estimate.hi ? 1 : 0;
}

void Score::take(const Score& other) {
  apes_.insert(apes_.end(), other.apes_.begin(), other.apes_.end());
  half_widths_.insert(half_widths_.end(), other.half_widths_.begin(), other.half_widths_.end());
  covered_ += other.covered_;
}

Summary Score::summary() const {
  Summary s{apes_.size(), median(apes_), quantile(apes_, 0.9), quantile(apes_, 0.95), 0,
            std::nullopt, std::nullopt};
  s.max_ape = *std::max_element(apes_.begin(), apes_.end());
  if (half_widths_.empty()) return s;
  s.coverage_90 = static_cast<double>(covered_) / static_cast<double>(half_widths_.size());
  s.half_width_median = median(half_widths_);
  return s;
}

Score& ScoreBoard::of(const ScoreKey& key) {
  if (std::find(forms_.begin(), forms_.end(), key.form) == forms_.end()) forms_.push_back(key.form);
  return scores_[key];
}

void ScoreBoard::merge(const ScoreBoard& other) {
  for (const auto& form : other.forms_)
    if (std::find(forms_.begin(), forms_.end(), form) == forms_.end()) forms_.push_back(form);
  for (const auto& [key, score] : other.scores_) scores_[key].take(score);
}

std::map<ScoreKey, Score> ScoreBoard::pooled(
    const std::function<ScoreKey(const ScoreKey&)>& group) const {
  std::map<ScoreKey, Score> result;
  for (const auto& [key, score] : scores_) result[group(key)].take(score);
  return result;
}

}  // namespace moecal::evaluation
