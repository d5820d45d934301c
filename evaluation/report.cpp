// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/report.hpp"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace moecal::evaluation {
namespace {

using Json = nlohmann::ordered_json;
using Pooled = std::map<ScoreKey, Score>;

Pooled by_card_and_dtype(const ScoreBoard& board) {
  return board.pooled([](const ScoreKey& k) { return ScoreKey{k.form, k.card, k.dtype, "", ""}; });
}

Pooled by_card_and_operation(const ScoreBoard& board) {
  return board.pooled([](const ScoreKey& k) {
    return ScoreKey{k.form, k.card, kAll, k.operation, ""};
  });
}

Pooled by_regime(const ScoreBoard& board) {
  return board.pooled([](const ScoreKey& k) { return ScoreKey{k.form, kAll, kAll, "", k.regime}; });
}

Pooled over_all(const ScoreBoard& board) {
  return board.pooled([](const ScoreKey& k) { return ScoreKey{k.form, kAll, kAll, "", ""}; });
}

Json maybe(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

void add_figures(Json& json, const Summary& s) {
  json["n"] = s.n;
  json["median_ape"] = s.median_ape;
  json["p90_ape"] = s.p90_ape;
  json["p95_ape"] = s.p95_ape;
  json["max_ape"] = s.max_ape;
  json["coverage_90"] = maybe(s.coverage_90);
  json["half_width_median"] = maybe(s.half_width_median);
}

Json row_json(const Row& row) {
  Json json{{"task", row.task}, {"card", row.card}, {"dtype", row.dtype}, {"form", row.form}};
  add_figures(json, row.summary);
  return json;
}

Json parts_json(const Pooled& parts, const std::string& form) {
  Json array = Json::array();
  for (const auto& [key, score] : parts) {
    if (key.form != form) continue;
    Json json = key.regime.empty() ? Json{{"card", key.card}, {"operation", key.operation}}
                                   : Json{{"sizes", key.regime}};
    add_figures(json, score.summary());
    array.push_back(std::move(json));
  }
  return array;
}

std::string percent(double fraction) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), fraction < 10 ? "%8.2f" : "%8.3g", 100 * fraction);
  return text.data();
}

std::string percent(const std::optional<double>& fraction) {
  return fraction ? percent(*fraction) : "       -";
}

std::string line(const std::string& what, const std::string& form, const Summary& s) {
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), "%-30s %-42s %6zu", what.c_str(), form.c_str(), s.n);
  return text.data() + percent(s.median_ape) + percent(s.p90_ape) + percent(s.p95_ape) +
         percent(s.max_ape) + percent(s.coverage_90) + percent(s.half_width_median) + "\n";
}

std::string heading(const std::string& what) {
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), "%-30s %-42s %6s%8s%8s%8s%8s%8s%8s\n", what.c_str(),
                "form", "n", "median", "p90", "p95", "max", "covered", "+-");
  return text.data();
}

/// Lines of all forms side by side, part by part.
std::string part_lines(const std::vector<std::string>& forms, const Pooled& parts,
                       std::string (*name)(const ScoreKey&)) {
  std::set<ScoreKey> keys;
  for (const auto& [key, score] : parts) {
    auto formless = key;
    formless.form.clear();
    keys.insert(std::move(formless));
  }
  std::string text;
  for (auto key : keys) {
    auto what = name(key);
    for (const auto& form : forms) {
      key.form = form;
      const auto found = parts.find(key);
      if (found == parts.end()) continue;
      text += line(what, form, found->second.summary());
      what.clear();
    }
  }
  return text;
}

std::string task_text(const TaskResult& result, const std::string& rule) {
  const auto& board = result.scores;
  std::string text = result.task + ": held out are " + rule + "; figures in percent\n";
  text += heading("");
  text += part_lines(board.forms(), over_all(board),
                     [](const ScoreKey&) { return std::string{"all"}; });
  text += heading("card, operation");
  text += part_lines(board.forms(), by_card_and_operation(board),
                     [](const ScoreKey& k) { return k.card + ", " + k.operation; });
  text += heading("card, dtype");
  text += part_lines(board.forms(), by_card_and_dtype(board),
                     [](const ScoreKey& k) { return k.card + ", " + k.dtype; });
  text += heading("sizes");
  text += part_lines(board.forms(), by_regime(board), [](const ScoreKey& k) { return k.regime; });
  if (result.not_scored.empty()) text += "every row of the tables was scored or seen\n";
  for (const auto& [what, rows] : result.not_scored)
    text += "not scored: " + std::to_string(rows) + " rows of " + what + "\n";
  return text + "\n";
}

}  // namespace

std::vector<Row> rows_of(const TaskResult& result) {
  const auto parts = by_card_and_dtype(result.scores), all = over_all(result.scores);
  std::vector<Row> rows;
  for (const auto& form : result.scores.forms()) {
    for (const auto* pool : {&parts, &all})
      for (const auto& [key, score] : *pool)
        if (key.form == form)
          rows.push_back({result.task, key.card, key.dtype, form, score.summary()});
  }
  return rows;
}

std::string to_json(const std::vector<TaskResult>& results) {
  Json array = Json::array();
  for (const auto& result : results) {
    const auto operations = by_card_and_operation(result.scores), sizes = by_regime(result.scores);
    for (const auto& row : rows_of(result)) {
      auto json = row_json(row);
      if (row.card == kAll) {
        json["by_operation"] = parts_json(operations, row.form);
        json["by_size"] = parts_json(sizes, row.form);
      }
      array.push_back(std::move(json));
    }
  }
  return array.dump(1) + "\n";
}

std::string to_text(const std::vector<TaskResult>& results, const Splits& splits) {
  std::string text;
  for (const auto& result : results) text += task_text(result, splits.at(result.task).rule);
  return text;
}

}  // namespace moecal::evaluation
