// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <utility>

#include "core/parallel.hpp"
#include "evaluation/asking.hpp"
#include "evaluation/collective_tasks.hpp"
#include "planning/compare.hpp"

// Whether the interval of a ratio of two cards is true: at sizes that neither card's fit saw.
namespace moecal::evaluation {
namespace {

constexpr char kPoints[] = "ratio.points";

/// A fold of a card with what was fitted to it.
struct Side {
  const Fold* fold = nullptr;
  planning::ComparedCard card;
};

/// The row of the same call that the other card's fit did not see either; null: there is none.
const Observation* unseen_like(const Observation& o, const Fold& fold) {
  for (const auto& other : fold.unseen)
    if (other.operation == o.operation && other.dtypes == o.dtypes && other.point == o.point &&
        other.ranks.group == o.ranks.group)
      return &other;
  return nullptr;
}

/// As if the two cards' errors had nothing in common.
Estimate of_independent_errors(const planning::ComparedCall& call) {
  const auto half_width = [](const planning::ComparedSide& side) {
    return std::log(side.prediction->hi / side.prediction->seconds);
  };
  const double factor = std::exp(std::hypot(half_width(call.first), half_width(call.other)));
  return {*call.ratio, *call.ratio / factor, *call.ratio * factor};
}

ScoreBoard score_pair(const Side& first, const Side& other) {
  ScoreBoard scores;
  const auto pair = other.fold->card + " over " + first.fold->card;
  for (const auto& o : first.fold->unseen) {
    const auto* same = unseen_like(o, *other.fold);
    if (same == nullptr) continue;
    const auto call = planning::compare_call(first.card, other.card, query_of(o));
    if (!call.ratio) throw Error{"a held-out ratio has no prediction: " + call.other.missing};
    const double measured = same->seconds() / o.seconds();
    const auto key = [&](const std::string& form) {
      return ScoreKey{form, pair, dtype_label(o.dtypes), o.operation, ""};
    };
    scores.of(key("shared error factors"))
        .take({*call.ratio, call.interval->lo, call.interval->hi}, measured);
    scores.of(key("baseline: independent errors")).take(of_independent_errors(call), measured);
  }
  return scores;
}

/// Of each phase every two cards, once.
std::vector<std::pair<std::size_t, std::size_t>> pairs_of(std::size_t folds, std::size_t phases) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t i = 0; i < folds; ++i)
    for (std::size_t j = i + phases; j < folds; j += phases) pairs.emplace_back(i, j);
  return pairs;
}

std::vector<TaskResult> run(const TaskInput& input, const std::set<std::string>&) {
  const auto& split = split_of(input, kPoints);
  const auto tables = read_public_tables(input.data, split);
  const auto folds = folds_of_sizes(tables, split.phases);
  const auto sides = parallel_map(folds.size(), [&](std::size_t i) {
    return Side{&folds[i], {find_card(folds[i].card), fit_seen(folds[i])}};
  });
  const auto pairs = pairs_of(folds.size(), static_cast<std::size_t>(split.phases));
  TaskResult result{kPoints, {}, {}};
  for (const auto& scores : parallel_map(pairs.size(), [&](std::size_t i) {
         return score_pair(sides[pairs[i].first], sides[pairs[i].second]);
       }))
    result.scores.merge(scores);
  return {result};
}

}  // namespace

TaskGroup ratio_tasks() { return {{kPoints}, run}; }

}  // namespace moecal::evaluation
