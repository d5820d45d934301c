// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/series.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "calibration/deciding_settings.hpp"
#include "calibration/routing_conditions.hpp"
#include "calibration/series_gathering.hpp"
#include "core/hash.hpp"
#include "core/join.hpp"
#include "core/parallel.hpp"

namespace moecal::calibration {
namespace {

/// Environments of one file by id, each id computed once.
std::map<std::string, const Environment*> by_id(const ObservationFile& file) {
  std::map<std::string, const Environment*> result;
  for (const auto& environment : file.environments) result[environment.id()] = &environment;
  return result;
}

/// The shortest text that reads back as the number: series that differ have other ids.
std::string text_of(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

/// Nothing is left of it once the throttled samples are taken out.
bool throttled_throughout(const Observation& o) {
  const auto& flags = o.flags.throttled;
  return !flags.empty() && std::find(flags.begin(), flags.end(), false) == flags.end();
}

/// Under the ids that their settings give them. What says nothing of a setting that the others
/// share is now of their series.
std::map<std::string, Gathering> by_own_id(Gatherings gatherings) {
  std::map<std::string, Gathering> named;
  for (auto& [key, gathering] : gatherings) {
    const auto id = gathering.series.id();
    const auto [found, is_new] = named.try_emplace(id, std::move(gathering));
    if (is_new) continue;
    for (auto& [place, repeats] : gathering.repeats) {
      auto& all = found->second.repeats[place];
      all.insert(all.end(), repeats.begin(), repeats.end());
    }
  }
  return named;
}

std::vector<ConflictingClaim> conflicts_of(const std::map<std::string, Gathering>& gatherings) {
  std::vector<ClaimedRepeats> claims;
  for (const auto& [id, gathering] : gatherings) {
    auto nameless = gathering.series;
    nameless.card = nameless.system = nameless.conditions.release = "";
    nameless.conditions.settings.clear();
    claims.push_back({gathering.series.id(), nameless.id(), &gathering.repeats});
  }
  return conflicting_claims(claims);
}

/// Sorts the observations of the files into gatherings and counts.
class Sorter {
 public:
  explicit Sorter(const std::string& card) : card_{card} {}

  void take(const ObservationFile& file) {
    const auto environments = by_id(file);
    for (const auto& o : file.observations) {
      const auto found = environments.find(o.environment_id);
      // Let the file's own lookup say what is wrong.
      take(o, found == environments.end() ? file.environment(o.environment_id) : *found->second);
    }
  }

  GroupedObservations finish_all(int threads) {
    check();
    name_settings();
    auto named = by_own_id(std::move(gatherer_.gatherings));
    auto conflicts = conflicts_of(named);
    std::vector<Gathering> gathered;
    for (auto& [id, gathering] : named) gathered.push_back(std::move(gathering));
    GroupedObservations grouped{std::vector<Series>(gathered.size()), counts_, left_out(),
                                std::move(conflicts)};
    for_each_index(gathered.size(), threads,
                   [&](std::size_t i) { grouped.series[i] = finish(std::move(gathered[i])); });
    for (const auto& series : grouped.series) grouped.counts.given_twice += series.dropped;
    return grouped;
  }

 private:
  void name_settings() {
    std::vector<SetSeries> all;
    for (auto& [key, gathering] : gatherer_.gatherings)
      all.push_back({&gathering.series, &key.second});
    tell_apart(all);
  }

  void take(const Observation& o, const Environment& environment) {
    cards_.insert(environment.card);
    if (o.outcome == Outcome::skipped) ++counts_.skipped;
    if (o.outcome == Outcome::failed) ++counts_.failed;
    if (o.outcome != Outcome::measured) return;
    ++counts_.measured;
    if (!card_.empty() && environment.card != card_)
      ++counts_.other_cards;
    else
      take_measured(o, environment);
  }

  void take_measured(const Observation& o, const Environment& environment) {
    try {
      require_loads(o);
      if (!gatherer_.is_at_last_place(o, environment) && !has_size(o, loads_))
        ++counts_.unusable;
      else if (throttled_throughout(o) && !o.device.power_limited)
        ++counts_.throttled;
      else if (o.is_launch_bound())
        ++counts_.launch_bound;
      else {
        gatherer_.add(o, environment);
        counts_.power_limited += throttled_throughout(o) ? 1 : 0;
      }
    } catch (const InvalidInput& error) {
      ++counts_.impossible;
      ++impossible_[{empty_series(o, environment).id(), error.what()}];
    }
  }

  [[nodiscard]] std::vector<LeftOut> left_out() const {
    std::vector<LeftOut> all;
    for (const auto& [what, observations] : impossible_)
      all.push_back({what.first, std::to_string(observations) +
                                     (observations == 1 ? " observation: " : " observations: ") +
                                     what.second});
    return all;
  }

  void check() const {
    if (!card_.empty() && !cards_.contains(card_))
      throw InvalidInput{"no observation was made on the card '" + card_ +
                         "'; the files have: " + join(cards_)};
    if (gatherer_.gatherings.empty())
      throw InvalidInput{"there is nothing to fit: of the observations read, " +
                         std::to_string(counts_.measured) + " are measured, " +
                         std::to_string(counts_.skipped) + " skipped and " +
                         std::to_string(counts_.failed) + " failed" + left_out_text(counts_) +
                         (impossible_.empty() ? ""
                                              : "; " + impossible_.begin()->first.first + ": " +
                                                    impossible_.begin()->first.second)};
  }

  std::string card_;
  Gatherer gatherer_;
  KnownLoads loads_;
  ObservationCounts counts_;
  std::set<std::string> cards_;
  std::map<std::pair<std::string, std::string>, int> impossible_;  // by series and reason
};

}  // namespace

std::string digest_of(const Observation& o) {
  return o.digest.empty() ? sha256(to_json_line(o)).substr(0, 12) : o.digest;
}

std::string left_out_text(const ObservationCounts& counts) {
  const std::array<std::pair<int, const char*>, 4> reasons{
      {{counts.other_cards, "of other cards"},
       {counts.unusable, "without a size"},
       {counts.throttled, "throttled in every sample"},
       {counts.launch_bound, "could not be held and took what their host did"}}};
  std::string text;
  for (const auto& [count, reason] : reasons)
    if (count > 0) text += "; " + std::to_string(count) + " " + reason;
  return text;
}

std::string Series::id() const {
  const auto& c = conditions;
  std::string id = operation + "/" + (is_call_of_system(operation) ? system : card) + "/" + c.dtype;
  const auto append = [&](const std::string& part) { id += "/" + part; };
  if (!c.output_dtype.empty()) append("to_" + c.output_dtype);
  if (!c.scale_mode.empty()) append("scale_" + c.scale_mode);
  if (!c.layout.empty()) append("layout_" + c.layout);
  if (c.group == kAnyGroup) append("any_group");
  if (c.group > 1) append("group_" + std::to_string(c.group));
  if (c.nodes != 1) append("nodes_" + std::to_string(c.nodes));
  if (c.placement != "contiguous") append(c.placement);
  if (c.tier != "intra") append(c.tier);
  if (c.concurrent_groups != 1) append("at_once_" + std::to_string(c.concurrent_groups));
  append(c.implementation);
  if (!c.release.empty()) append(c.release);
  append(c.cache);
  if (c.graph != "none") append(c.graph);
  if (c.any_routing) append("any_routing");
  for (const auto& [name, value] : c.settings) append(name + "=" + value);
  const auto& routing = c.routing;
  if (!routing.distribution.empty()) append("routing_" + routing.distribution);
  if (!routing.loads.empty()) append(name_of_loads(routing));
  if (routing.exponent != 0) append("exponent_" + text_of(routing.exponent));
  if (routing.capacity_factor != 0) append("capacity_" + text_of(routing.capacity_factor));
  return id;
}

GroupedObservations group_observations(std::span<const ObservationFile> files,
                                       const std::string& card, int threads) {
  Sorter sorter{card};
  for (const auto& file : files) sorter.take(file);
  return sorter.finish_all(threads);
}

}  // namespace moecal::calibration
