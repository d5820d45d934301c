// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "calibration/coefficients.hpp"

/// Releases of libraries, which are never averaged.
namespace moecal::calibration {

/// Whether it names a release: not where it is empty or 'unknown', the word of logs that do not
/// say.
[[nodiscard]] bool names_release(const std::string& release);

/// Negative, 0, positive: a is an older, equal, newer release than b. Numbers compare as numbers:
/// 2.9 is older than 2.29, and 1.3.0rc20 than 1.3.0. What names none counts as older than any.
[[nodiscard]] int compare_releases(const std::string& a, const std::string& b);

/// Releases of one library compare; those of another say nothing beside them.
[[nodiscard]] std::vector<const Model*> newest_of_each(const std::vector<const Model*>& models);

/// That the newest answers, of each library with several.
[[nodiscard]] std::vector<std::string> release_flags(const std::vector<const Model*>& models);

}  // namespace moecal::calibration
