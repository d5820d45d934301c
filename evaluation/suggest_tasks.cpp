// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/suggest.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "core/parallel.hpp"
#include "evaluation/asking.hpp"
#include "evaluation/baselines_collective.hpp"
#include "evaluation/collective_tasks.hpp"

// What `moecal suggest` is worth: how few points, chosen by it, predict as well as a grid.
namespace moecal::evaluation {
namespace {

constexpr char kCollective[] = "suggest.collective";
/// Points are chosen in so many rounds, as a user would: measure, ask again.
constexpr std::size_t kRounds = 4;
constexpr std::array<std::size_t, 3> kSuggested{48, 64, 112};
/// Sizes a curve; with 24 curves a card 144, 192 and 336 points: three times those suggested.
constexpr std::array<std::size_t, 3> kGrids{6, 8, 14};

using Rows = std::vector<Observation>;

Fold with_seen(const Fold& fold, Rows seen) {
  return {fold.card, {fold.seen.environments, std::move(seen)}, fold.unseen};
}

/// The rows of the fold that suggest asks for, with the unseen points as its wishes.
class Measurer {
 public:
  explicit Measurer(const Fold& fold) : fold_{fold} {
    for (const auto& o : fold.seen.observations) request_.candidates.push_back(query_of(o));
    for (const auto& o : fold.unseen) request_.wishes.push_back({query_of(o)});
  }

  [[nodiscard]] Rows measure(std::size_t points) {
    request_.count = points / kRounds;
    Rows measured;
    for (std::size_t round = 0; round < kRounds; ++round) {
      std::vector<ObservationFile> known;
      if (!measured.empty()) known.push_back({fold_.seen.environments, measured});
      for (const auto& one : calibration::suggest(known, request_).points)
        measured.push_back(row_of(one));
    }
    return measured;
  }

 private:
  [[nodiscard]] const Observation& row_of(const calibration::Suggestion& suggestion) const {
    const auto found = std::ranges::find_if(fold_.seen.observations, [&](const Observation& o) {
      return o.operation == suggestion.operation && o.point == suggestion.point &&
             o.dtypes.a == suggestion.dtypes.a && o.ranks.group == suggestion.ranks.group;
    });
    if (found == fold_.seen.observations.end())
      throw Error{"suggest asked for a point that is not a candidate"};
    return *found;
  }

  const Fold& fold_;
  calibration::SuggestRequest request_;
};

/// `sizes` of each curve's sizes, its ends among them, evenly spread.
Rows grid(const Fold& fold, std::size_t sizes) {
  std::map<Curves::Key, Rows> curves;
  for (const auto& o : fold.seen.observations) curves[Curves::key_of(o)].push_back(o);
  Rows kept;
  for (auto& [key, rows] : curves) {
    std::ranges::sort(rows, {}, [](const Observation& o) { return o.point.at("bytes"); });
    const std::size_t last = rows.size() - 1, steps = std::min(sizes - 1, last);
    for (std::size_t i = 0; i <= steps; ++i) kept.push_back(rows[(i * last + steps / 2) / steps]);
  }
  return kept;
}

void score_grid(const Fold& fold, std::size_t sizes, ScoreBoard& scores) {
  const auto seen = with_seen(fold, grid(fold, sizes));
  const std::string points = std::to_string(seen.seen.observations.size()) + " points";
  const auto fitted = fit_seen(seen);
  score_unseen(seen, "baseline: grid of " + points + ", moecal's fit", predictor_of(fitted),
               scores);
  for (const auto& baseline : baselines_of_sizes(seen.seen))
    if (baseline.name == kLogLogInterpolation)
      score_unseen(seen, "baseline: grid of " + points + ", interpolated", baseline.predictor,
                   scores);
}

ScoreBoard score_card(const Fold& fold) {
  ScoreBoard scores;
  for (const auto points : kSuggested) {
    const auto seen = with_seen(fold, Measurer{fold}.measure(points));
    const auto fitted = fit_seen(seen);
    score_unseen(seen, "suggested " + std::to_string(points) + " points", predictor_of(fitted),
                 scores);
  }
  std::set<std::int64_t> all;
  for (const auto& o : fold.seen.observations) all.insert(o.point.at("bytes"));
  for (const auto sizes : kGrids)
    if (sizes <= all.size()) score_grid(fold, sizes, scores);
  return scores;
}

std::vector<TaskResult> run(const TaskInput& input, const std::set<std::string>&) {
  const auto& split = split_of(input, kCollective);
  const auto tables = read_public_tables(input.data, split);
  std::vector<Fold> folds;  // one phase of each card: the grids need the sizes that are left
  const auto all = folds_of_sizes(tables, split.phases);
  for (std::size_t i = 1; i < all.size(); i += static_cast<std::size_t>(split.phases))
    folds.push_back(all[i]);
  TaskResult result{kCollective, {}, {}};
  for (const auto& scores :
       parallel_map(folds.size(), [&](std::size_t i) { return score_card(folds[i]); }))
    result.scores.merge(scores);
  return {result};
}

}  // namespace

TaskGroup suggest_tasks() { return {{kCollective}, run}; }

}  // namespace moecal::evaluation
