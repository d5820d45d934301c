// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/settings_choice.hpp"

#include <algorithm>
#include <map>

#include "calibration/deciding_settings.hpp"
#include "calibration/join.hpp"

namespace moecal::calibration {

std::vector<const Model*> of_one_setting(const std::vector<const Model*>& models) {
  std::map<std::string, std::set<Settings>> of_library;
  for (const auto* model : models)
    of_library[model->conditions.implementation].insert(model->conditions.settings);
  std::vector<const Model*> kept;
  for (const auto* model : models) {
    const auto& c = model->conditions;
    const auto& known = of_library.at(c.implementation);
    if (known.size() > 1 && std::ranges::none_of(known, are_defaults)) return {};
    if (known.size() == 1 || are_defaults(c.settings)) kept.push_back(model);
  }
  return kept;
}

std::set<std::string> settings_of(const std::vector<const Model*>& models) {
  std::set<std::string> all;
  for (const auto* model : models) all.insert(settings_text(model->conditions.settings));
  return all;
}

std::vector<std::string> settings_flags(const std::vector<const Model*>& all,
                                        const std::vector<const Model*>& kept) {
  auto others = settings_of(all);
  for (const auto& own : settings_of(kept)) others.erase(own);
  if (others.empty()) return {};
  return {"as measured with nothing set; measured too, and different: " + join(others)};
}

}  // namespace moecal::calibration
