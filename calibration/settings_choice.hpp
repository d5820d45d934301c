// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <set>
#include <string>
#include <vector>

#include "calibration/coefficients.hpp"

namespace moecal::calibration {

/// Of models that differ in their settings those of what one gets who sets nothing. Where
/// everything was set to something nobody can say which is meant. Empty: the query must choose.
[[nodiscard]] std::vector<const Model*> of_one_setting(const std::vector<const Model*>& models);

/// The models' settings as texts.
[[nodiscard]] std::set<std::string> settings_of(const std::vector<const Model*>& models);

/// What is to be said where `kept` of `all` answer.
[[nodiscard]] std::vector<std::string> settings_flags(const std::vector<const Model*>& all,
                                                      const std::vector<const Model*>& kept);

}  // namespace moecal::calibration
