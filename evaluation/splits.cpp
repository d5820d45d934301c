// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/splits.hpp"

#include <iterator>
#include <tuple>

#include "core/data_dir.hpp"
#include "core/hash.hpp"
#include "core/json_reader.hpp"

namespace moecal::evaluation {
namespace {

constexpr const char* kRemarks[] = {"comment", "not_scored"};

bool is_remark(const std::string& key) {
  return std::find(std::begin(kRemarks), std::end(kRemarks), key) != std::end(kRemarks);
}

/// Takes over what the entry itself says; the rest stays as it is.
Split read_split(const JsonReader& entry, Split split) {
  entry.allow_only({"same_as", "tables", "dtypes", "rule", "note", "phases", "folds", "points"});
  split.tables = entry.optional<std::vector<std::string>>("tables", split.tables);
  split.dtypes = entry.optional<std::set<std::string>>("dtypes", split.dtypes);
  split.rule = entry.optional<std::string>("rule", split.rule);
  split.phases = entry.optional<int>("phases", split.phases);
  split.folds = entry.optional<int>("folds", split.folds);
  split.points = entry.optional<int>("points", split.points);
  if (split.tables.empty()) entry.fail("tables", "is missing, and 'same_as' gives none");
  return split;
}

/// Depth-first, so that an entry may take over from one that itself takes over.
Split resolve(const JsonReader& all, const std::string& task, int depth) {
  if (!all.has(task)) all.fail(task, "is named by a 'same_as' and is missing");
  if (depth > 8) all.fail(task, "takes over from itself");
  const auto entry = all.object(task);
  Split base;
  if (entry.has("same_as")) base = resolve(all, entry.require<std::string>("same_as"), depth + 1);
  auto split = read_split(entry, std::move(base));
  split.task = task;
  return split;
}

}  // namespace

Splits read_splits(const std::string& path) {
  const auto json = parse_json(read_file(path), {path, 0});
  const JsonReader all{json, {path, 0}};
  Splits splits;
  for (const auto& [task, entry] : json.items())
    if (!is_remark(task)) splits[task] = resolve(all, task, 0);
  return splits;
}

Splits read_splits() { return read_splits(data_path("evaluation/splits.json")); }

int fold_of(const std::string& key, int folds) {
  const auto number = std::stoull(sha256(key).substr(0, 8), nullptr, 16);
  return static_cast<int>(number % static_cast<unsigned long long>(folds));
}

std::vector<int> phases_of_sizes(const std::vector<Observation>& observations, int phases) {
  using Curve = std::tuple<std::string, std::string, int>;
  std::map<Curve, std::set<std::int64_t>> sizes;
  const auto curve_of = [](const Observation& o) {
    return Curve{o.operation, o.dtypes.a, o.ranks.group};
  };
  for (const auto& o : observations) sizes[curve_of(o)].insert(o.point.at("bytes"));
  std::vector<int> phase_of;
  for (const auto& o : observations) {
    const auto& all = sizes.at(curve_of(o));
    const auto rank = std::distance(all.begin(), all.find(o.point.at("bytes")));
    const bool end = rank == 0 || rank + 1 == std::ssize(all);
    phase_of.push_back(end ? kNeverHeldOut : static_cast<int>((rank - 1) % phases));
  }
  return phase_of;
}

}  // namespace moecal::evaluation
