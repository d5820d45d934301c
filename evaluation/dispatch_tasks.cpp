// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/dispatch_tasks.hpp"

#include <cmath>
#include <limits>

#include "calibration/fit.hpp"
#include "calibration/segmented_latency_bandwidth.hpp"
#include "core/card.hpp"
#include "core/parallel.hpp"
#include "evaluation/asking.hpp"

namespace moecal::evaluation {
namespace {

constexpr char kKnown[] = "dispatch.known";

/// The numbers that a fold keeps together (evaluation/splits.json).
std::string configuration_key(const Point& point) {
  return std::to_string(point.at("hidden")) + "," + std::to_string(point.at("top_k")) + "," +
         std::to_string(point.at("experts"));
}

/// Rows that one curve could be of: an operation as one implementation does it.
std::string series_key(const Observation& o) { return o.operation + "/" + o.implementation; }

bool is_low_latency(const Observation& o) { return o.implementation.starts_with("deepep-ll"); }

std::string operation_of(const Observation& o) {
  return o.operation + (is_low_latency(o) ? ", low latency" : ", normal");
}

/// Bytes of all copies, as many as a token has experts, of elements of one size.
double bytes_of(const Observation& o) {
  return static_cast<double>(o.point.at("tokens") * o.point.at("top_k") * o.point.at("hidden"));
}

double doublings(std::int64_t a, std::int64_t b) {
  return std::log2(static_cast<double>(a) / static_cast<double>(b));
}

double distance(const Point& a, const Point& b) {
  double sum = 0;
  for (const auto& [name, value] : a) sum += std::pow(doublings(value, b.at(name)), 2);
  return sum;
}

using Rows = std::vector<const Observation*>;

Rows rows_alike(const Fold& fold, const std::string& key) {
  Rows rows;
  for (const auto& o : fold.seen.observations)
    if (series_key(o) == key) rows.push_back(&o);
  return rows;
}

/// The time of the row that is the fewest doublings away.
double nearest(const Rows& rows, const Observation& call) {
  const Observation* best = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (const auto* row : rows)
    if (const double away = distance(row->point, call.point); away < least) {
      least = away;
      best = row;
    }
  return best->seconds();
}

calibration::Model alpha_beta(const Rows& rows) {
  std::vector<calibration::FitPoint> points;
  for (const auto* row : rows) points.push_back({{.size = bytes_of(*row)}, row->seconds()});
  return calibration::fit_segmented_latency_bandwidth(points, 1);
}

Predictor predictor_of(const calibration::Coefficients& coefficients) {
  return [&coefficients](const Observation& call) {
    auto query = query_of(call);
    query.implementation = call.implementation;
    return ask(coefficients, query);
  };
}

ScoreBoard score(const Fold& fold) {
  ScoreBoard board;
  const auto take = [&](const std::string& form, const Predictor& predictor) {
    for (const auto& o : fold.unseen) {
      auto call = o;
      call.samples_s.clear();  // the answer
      board
          .of({form, fold.card, dtype_label(o.dtypes), operation_of(o),
               regime_of_tokens(static_cast<double>(o.point.at("tokens")))})
          .take(predictor(call), o.seconds());
    }
  };
  const auto coefficients = fit_exchanges(fold);
  take("expert_exchange", predictor_of(coefficients));
  std::map<std::string, Rows> rows;
  for (const auto& o : fold.unseen)
    if (!rows.contains(series_key(o))) rows[series_key(o)] = rows_alike(fold, series_key(o));
  std::map<std::string, calibration::Model> lines;
  for (const auto& [key, alike] : rows) lines[key] = alpha_beta(alike);
  take("baseline: alpha-beta of bytes", [&](const Observation& call) {
    return Estimate{calibration::evaluate(lines.at(series_key(call)), {.size = bytes_of(call)})};
  });
  take("baseline: nearest row",
       [&](const Observation& call) { return Estimate{nearest(rows.at(series_key(call)), call)}; });
  return board;
}

std::vector<TaskResult> run(const TaskInput& input, const std::set<std::string>&) {
  const auto& split = split_of(input, kKnown);
  const auto tables = read_public_tables(input.data, split);
  const auto folds = folds_of_exchanges(tables, split.folds);
  TaskResult result{kKnown, {}, {}};
  for (const auto& board :
       parallel_map(folds.size(), [&](std::size_t i) { return score(folds[i]); }))
    result.scores.merge(board);
  for (const auto& table : tables)
    for (const auto& [what, count] : table.not_scored) result.not_scored[what] += count;
  return {std::move(result)};
}

}  // namespace

std::vector<Fold> folds_of_exchanges(const std::vector<PublicTable>& tables, int folds) {
  std::vector<Fold> all;
  for (const auto& table : tables)
    for (int fold = 0; fold < folds; ++fold) {
      std::vector<bool> held_out;
      for (const auto& o : table.rows.observations)
        held_out.push_back(fold_of(configuration_key(o.point), folds) == fold);
      auto one = make_fold(table.card, table.rows, held_out);
      if (!one.unseen.empty()) all.push_back(std::move(one));
    }
  return all;
}

calibration::Coefficients fit_exchanges(const Fold& fold) {
  return calibration::fit(std::vector{fold.seen},
                          {.compact = true, .cards = {find_card(fold.card)}, .threads = 1})
      .coefficients;
}

TaskGroup dispatch_tasks() { return {{kKnown}, run}; }

}  // namespace moecal::evaluation
