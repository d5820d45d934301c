// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/settings_choice.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "calibration/deciding_settings.hpp"
#include "calibration/model_order.hpp"
#include "core/collective.hpp"
#include "core/join.hpp"

namespace moecal::calibration {
namespace {

struct Behind {
  int points = 0;
  double seconds = 0;  // the most that a model says
};

/// The settings of one implementation, and what is behind each.
using Known = std::map<Settings, Behind>;

std::map<std::string, Known> known_of(const std::vector<const Model*>& models,
                                      const SecondsOf& slower) {
  std::map<std::string, Known> all;
  for (const auto* model : models) {
    auto& behind = all[model->conditions.implementation][model->conditions.settings];
    behind.points += model->quality.points;
    if (slower) behind.seconds = std::max(behind.seconds, slower(*model));
  }
  return all;
}

/// Whether nothing was set of what they differ in.
bool is_default(const Settings& settings, const Known& known) {
  Settings differing;
  for (const auto& setting : settings)
    if (std::ranges::any_of(known, [&](const auto& other) {
          const auto found = other.first.find(setting.first);
          return found == other.first.end() || *found != setting;
        }))
      differing.insert(setting);
  return are_defaults(differing);
}

/// The defaults, else those of which the most was recorded.
std::vector<Settings> likeliest(const Known& known) {
  std::vector<Settings> defaults, recorded;
  for (const auto& [settings, behind] : known) {
    if (is_default(settings, known)) defaults.push_back(settings);
    if (!recorded.empty() && unrecorded(settings) > unrecorded(recorded.front())) continue;
    if (!recorded.empty() && unrecorded(settings) < unrecorded(recorded.front())) recorded.clear();
    recorded.push_back(settings);
  }
  return defaults.empty() ? recorded : defaults;
}

bool are_contradictory(const std::vector<Settings>& all) {
  return std::ranges::any_of(all, [&](const Settings& a) {
    return std::ranges::any_of(all, [&](const Settings& b) { return contradict(a, b); });
  });
}

std::optional<Settings> one_of(const Known& known, bool choose) {
  const auto likely = likeliest(known);
  if (!choose && are_contradictory(likely)) return std::nullopt;
  return std::ranges::max(likely, {}, [&](const Settings& settings) {
    const auto& behind = known.at(settings);
    return std::pair{behind.points, behind.seconds};
  });
}

std::string others_of(const Known& known, const Settings& taken) {
  std::set<std::string> others;
  for (const auto& [settings, behind] : known)
    if (settings != taken) others.insert(settings_text(settings));
  return join(others);
}

/// What a query gets of one implementation.
struct Taken {
  std::string implementation;
  Settings settings;
  bool by_points = false;
};

/// Nothing where the query gets what it named, or what one gets who sets nothing.
std::string flag_of(const Known& known, const Taken& taken, const Query& query) {
  auto unasked = taken.settings;
  std::erase_if(unasked, [&](const auto& each) { return query.settings.contains(each.first); });
  if (known.size() > 1)
    return "as measured with " +
           (are_defaults(taken.settings) ? "nothing set" : settings_text(taken.settings)) +
           (taken.by_points ? ", the setting of the most points" : "") +
           "; measured too, and different: " + others_of(known, taken.settings);
  if (are_defaults(unasked)) return "";
  return "as measured with " + settings_text(unasked) + ", which was not asked for: " +
         (query.settings.empty() ? "" : "with what was asked for ") +
         "this call was measured with nothing else";
}

std::string left_out_flag(const std::string& implementation, const Known& known) {
  return "implementation " + implementation +
         " is left out: its models differ in their settings: " + others_of(known, {});
}

std::map<std::string, Taken> taken_of(const SettingsChoice& choice) {
  std::map<std::string, Taken> taken;
  for (const auto* model : choice.models) {
    const auto& c = model->conditions;
    taken[c.implementation] = {c.implementation, c.settings,
                               choice.by_points.contains(c.implementation)};
  }
  return taken;
}

bool is_only_set(const Known& known, const Query& query) {
  return std::ranges::all_of(known,
                             [&](const auto& each) { return is_set_unasked(each.first, query); });
}

}  // namespace

SettingsChoice of_one_setting(const std::vector<const Model*>& models, const SecondsOf& slower) {
  SettingsChoice choice;
  std::map<std::string, Settings> taken;
  for (const auto& [implementation, known] : known_of(models, slower)) {
    const auto one = one_of(known, slower != nullptr);
    if (one) taken[implementation] = *one;
    if (!one) choice.flags.push_back(left_out_flag(implementation, known));
    if (one && are_contradictory(likeliest(known))) choice.by_points.insert(implementation);
  }
  for (const auto* model : models) {
    const auto found = taken.find(model->conditions.implementation);
    if (found != taken.end() && found->second == model->conditions.settings)
      choice.models.push_back(model);
  }
  return choice;
}

std::vector<std::string> settings_flags(const SettingsChoice& choice,
                                        const std::vector<const Model*>& matching,
                                        const Query& query) {
  std::vector<std::string> flags;
  const auto taken = taken_of(choice);
  const bool all_set = std::ranges::all_of(
      taken, [&](const auto& each) { return is_set_unasked(each.second.settings, query); });
  for (const auto& [implementation, known] : known_of(matching, {})) {
    const auto one = taken.find(implementation);
    if (one != taken.end()) {
      if (const auto flag = flag_of(known, one->second, query); !flag.empty())
        flags.push_back((taken.size() > 1 ? implementation + ": " : "") + flag);
    } else if (!all_set && !is_in_place(implementation) && is_only_set(known, query)) {
      flags.push_back("implementation " + implementation + " is left out: measured only with " +
                      others_of(known, {}));
    }
  }
  return flags;
}

std::set<std::string> settings_of(const std::vector<const Model*>& models) {
  std::set<std::string> all;
  for (const auto* model : models) all.insert(settings_text(model->conditions.settings));
  return all;
}

Settings no_conditions(const Coefficients& coefficients, const Query& query) {
  Settings unknown = query.settings;
  const auto is_asked = [](const std::string& asked, const std::string& have) {
    return asked.empty() || asked == have;
  };
  for (const auto& model : coefficients.models)
    if (model.operation == query.operation && is_asked(query.card, model.card) &&
        is_asked(query.system, model.system) &&
        is_asked(query.implementation, model.conditions.implementation))
      for (const auto& [name, value] : model.conditions.settings) unknown.erase(name);
  return unknown;
}

}  // namespace moecal::calibration
