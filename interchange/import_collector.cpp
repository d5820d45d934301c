// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/import_collector.hpp"

#include <algorithm>

#include "interchange/launch.hpp"
#include "interchange/plausibility.hpp"

namespace moecal::interchange {
namespace {

constexpr double kLongestSample = 1e6;  // seconds: the reader of observations takes no longer one

void refuse_no_time(const Observation& o) {
  for (const double seconds : o.samples_s)
    if (!(seconds > 0 && seconds < kLongestSample))
      throw InvalidInput{"the time is " + std::to_string(seconds) +
                         " s: not a positive number of seconds"};
}

/// Whatever a file says of ranks, no observation leaves here with a group that cannot be.
void refuse_no_group(const Ranks& ranks) {
  if (ranks.group < 1 || ranks.group > kMostRanks)
    throw InvalidInput{std::to_string(ranks.group) + " ranks: a group has 1 to " +
                       std::to_string(kMostRanks)};
  if (ranks.nodes < 1 || ranks.nodes > ranks.group)
    throw InvalidInput{std::to_string(ranks.group) + " ranks on " + std::to_string(ranks.nodes) +
                       " nodes: no node can be without one"};
}

}  // namespace

Collector::Collector(const ForeignFile& file, const ImportOptions& options, std::string tool)
    : file_{file}, options_{options}, tool_{std::move(tool)} {}

void Collector::refuse(int line, const std::string& reason) {
  imported_.refused.push_back({line, reason});
}

void Collector::leave_out(const std::string& what) {
  ++imported_.not_imported[what];
  imported_.lines_not_imported.push_back(line_);
}

std::size_t Collector::dealt_with() const {
  return imported_.observations.size() + imported_.refused.size() +
         imported_.lines_not_imported.size();
}

void Collector::note(const std::string& sentence) {
  const auto& notes = imported_.notes;
  if (std::find(notes.begin(), notes.end(), sentence) == notes.end())
    imported_.notes.push_back(sentence);
}

const Card& Collector::card_of(const std::string& device_name, int line) {
  const auto known = cards_.find(device_name);
  if (known != cards_.end()) return known->second;
  auto card = importing_card(options_, device_name, {file_.path, line});
  if (!options_.card.empty() && !device_name.empty() && slug(device_name) != slug(options_.card))
    note("the file names '" + device_name + "'; --card " + card.id + " is used");
  return cards_.emplace(device_name, std::move(card)).first->second;
}

Observation Collector::start(int line) const {
  Observation o;
  o.run_id = "imported-" + file_.sha256.substr(0, 12);
  if (section_ > 1) o.run_id += "-run" + std::to_string(section_);
  o.sample = {"mean", 1, "foreign"};
  o.policy.stop_rule = "foreign";
  o.verification.method = "none";
  o.source = {"imported", tool_, file_.name, line, file_.sha256};
  return o;
}

Environment Collector::environment(const Card& card, int devices_per_node) const {
  Environment e;
  e.card = card.id;
  e.system = options_.system.empty() ? system_of(card, devices_per_node) : options_.system;
  return e;
}

void Collector::take(Observation observation, const Environment& environment, const Card& card) {
  refuse_no_time(observation);
  refuse_no_group(observation.ranks);
  if (!observation.samples_s.empty())
    if (const auto problem = why_impossible(card, observation); !problem.empty())
      throw InvalidInput{problem};
  observation.environment_id = environment.id();
  if (environments_.insert(observation.environment_id).second)
    imported_.environments.push_back(environment);
  observation.repetition = repetitions_[observation.key()]++;
  imported_.observations.push_back(std::move(observation));
}

}  // namespace moecal::interchange
