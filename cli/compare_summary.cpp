// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/compare_summary.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "cli/text_table.hpp"
#include "core/join.hpp"
#include "core/statistics.hpp"

namespace moecal::cli {
namespace {

using planning::ComparedCard;
using planning::Standing;

/// The calls of one operation in one dtype.
struct Group {
  std::vector<double> ratios;
  std::map<Standing, int> standings;
  int calls = 0;
};

using Name = std::pair<std::string, std::string>;  // operation and dtype

/// In the order of the calls.
std::vector<std::pair<Name, Group>> groups_of(const Comparison& comparison) {
  std::vector<std::pair<Name, Group>> groups;
  for (const auto& call : comparison.calls) {
    const Name name{call.query.operation, call.query.dtype};
    auto found = std::ranges::find(groups, name, &std::pair<Name, Group>::first);
    if (found == groups.end()) found = groups.insert(found, {name, {}});
    ++found->second.calls;
    ++found->second.standings[call.standing];
    if (call.ratio) found->second.ratios.push_back(*call.ratio);
  }
  return groups;
}

std::vector<std::string> cells_of(const Name& name, Group group) {
  const auto count = [&](Standing standing) { return std::to_string(group.standings[standing]); };
  auto& ratios = group.ratios;
  std::vector<std::string> cells{name.first, name.second, std::to_string(group.calls)};
  if (ratios.empty()) {
    cells.insert(cells.end(), {"-", "-", "-"});
  } else {
    const auto [least, most] = std::ranges::minmax(ratios);
    for (const double ratio : {least, median(ratios), most}) cells.push_back(three_digits(ratio));
  }
  for (const auto standing : {Standing::faster, Standing::slower, Standing::undecided})
    cells.push_back(count(standing));
  cells.push_back(std::to_string(group.calls - static_cast<int>(ratios.size())));
  return cells;
}

/// Models and transfers that the times of one card rest on.
struct Evidence {
  std::set<std::string> transferred, unchecked;  // operations
};

/// Its interval is then of errors on points that its fit did not see.
bool was_checked(const calibration::Model& model) {
  return std::ranges::any_of(model.residual_quantiles,
                             [](const auto& quantile) { return quantile.count > 0; });
}

Evidence evidence_of(const Comparison& comparison, const ComparedCard& card) {
  Evidence evidence;
  std::set<std::string> checked;  // ids of models
  for (const auto& model : card.models.models)
    if (was_checked(model)) checked.insert(model.id);
  for (const auto& call : comparison.calls) {
    const auto& side = &card == comparison.first ? call.first : call.other;
    if (!call.ratio) continue;
    if (side.prediction->provenance == "transferred")
      evidence.transferred.insert(call.query.operation);
    else if (!checked.contains(
                 side.prediction->model_id.substr(0, side.prediction->model_id.find(" + "))))
      evidence.unchecked.insert(call.query.operation);
  }
  return evidence;
}

/// "memory_bytes_per_second" of "memory_bytes_per_second (where it is from)".
std::string names_of(const std::vector<std::string>& figures) {
  std::set<std::string> names;
  for (const auto& figure : figures) names.insert(figure.substr(0, figure.find(" (")));
  return join(names);
}

}  // namespace

std::string summary_text(const Comparison& comparison) {
  using enum TextTable::Side;
  TextTable table{{{"operation"},
                   {"dtype"},
                   {"calls", right},
                   {"least ratio", right},
                   {"median", right},
                   {"most", right},
                   {"faster", right},
                   {"slower", right},
                   {"undecided", right},
                   {"no ratio", right}}};
  for (const auto& [name, group] : groups_of(comparison)) table.add(cells_of(name, group));
  return table.text();
}

std::vector<std::string> unverified(const Comparison& comparison) {
  std::vector<std::string> lines;
  for (const auto* card : {comparison.first, comparison.other}) {
    const auto evidence = evidence_of(comparison, *card);
    const auto& id = card->card.id;
    if (!evidence.transferred.empty()) {
      lines.push_back("not verified: " + join(evidence.transferred) + " of " + id +
                      ": transferred to its spec sheet, and compared with no measurement of it");
      if (!card->card.unverified.empty())
        lines.push_back("not verified: figures of the spec sheet of " + id + ": " +
                        names_of(card->card.unverified));
    }
    if (!evidence.unchecked.empty())
      lines.push_back("not verified: " + join(evidence.unchecked) + " of " + id +
                      ": nothing held out has checked the models");
  }
  return lines;
}

}  // namespace moecal::cli
