// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace moecal::evaluation {

/// What a form says of a point that it did not see; seconds. Without an interval lo and hi are 0.
struct Estimate {
  double seconds = 0;
  double lo = 0, hi = 0;  // 90 % interval
};

/// Statistics of absolute percentage errors |estimate/measured - 1|, as fractions.
struct Summary {
  std::size_t n = 0;
  double median_ape = 0, p90_ape = 0, p95_ape = 0, max_ape = 0;
  std::optional<double> coverage_90;        // share of points inside their interval
  std::optional<double> half_width_median;  // of hi/seconds - 1
};

/// Estimates beside what was measured.
class Score {
 public:
  /// @throws Error if the estimate is no positive finite time: a form that does not answer must not
  /// look like one that was not asked.
  void take(const Estimate& estimate, double measured);
  void take(const Score& other);
  [[nodiscard]] std::size_t size() const { return apes_.size(); }
  /// @throws InvalidInput without points.
  [[nodiscard]] Summary summary() const;

 private:
  std::vector<double> apes_, half_widths_;
  std::size_t covered_ = 0;
};

/// Whose score it is. `regime` is a range of sizes in words, or empty.
struct ScoreKey {
  std::string form, card, dtype, operation, regime;
  auto operator<=>(const ScoreKey&) const = default;
};

/// The scores of one task. Forms keep the order in which they came: moecal's own first.
class ScoreBoard {
 public:
  Score& of(const ScoreKey& key);
  void merge(const ScoreBoard& other);
  [[nodiscard]] const std::vector<std::string>& forms() const { return forms_; }
  [[nodiscard]] const std::map<ScoreKey, Score>& all() const { return scores_; }
  /// One score for each key that `group` makes of the scores' keys.
  [[nodiscard]] std::map<ScoreKey, Score> pooled(
      const std::function<ScoreKey(const ScoreKey&)>& group) const;

 private:
  std::vector<std::string> forms_;
  std::map<ScoreKey, Score> scores_;
};

}  // namespace moecal::evaluation
