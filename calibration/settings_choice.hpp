// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "calibration/predict.hpp"

namespace moecal::calibration {

/// Models of one setting for each implementation.
struct SettingsChoice {
  std::vector<const Model*> models;
  std::vector<std::string> flags;   // which implementations are left out for theirs
  std::set<std::string> by_points;  // implementations whose models contradict each other
};

/// What a model says of the call that is asked for.
using SecondsOf = std::function<double(const Model&)>;

/// Of models that differ in their settings those of what one gets who sets nothing; else those of
/// which most was recorded. An implementation whose models still contradict each other is left out:
/// nobody can say which is meant. With `slower` that of the most points is taken, of equals the
/// slower. Without models: the query must choose.
[[nodiscard]] SettingsChoice of_one_setting(const std::vector<const Model*>& models,
                                            const SecondsOf& slower = {});

/// In which setting each implementation answers, where the query did not name it or it was measured
/// in others too; and which is left out because it was only measured with something set. `matching`
/// are all models that match the query, of which the choice is made of the best.
[[nodiscard]] std::vector<std::string> settings_flags(const SettingsChoice& choice,
                                                      const std::vector<const Model*>& matching,
                                                      const Query& query);

/// The models' settings as texts.
[[nodiscard]] std::set<std::string> settings_of(const std::vector<const Model*>& models);

/// Of the settings that a query asks for those that tell no models of its operation and machine
/// apart.
[[nodiscard]] Settings no_conditions(const Coefficients& coefficients, const Query& query);

}  // namespace moecal::calibration
