// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/releases.hpp"

#include <algorithm>
#include <cctype>
#include <map>

namespace moecal::calibration {

bool names_release(const std::string& release) { return !release.empty() && release != "unknown"; }

int compare_releases(const std::string& a, const std::string& b) {
  if (!names_release(a) || !names_release(b))
    return static_cast<int>(names_release(a)) - static_cast<int>(names_release(b));
  std::size_t i = 0, j = 0;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto number = [&](const std::string& text, std::size_t& at) {
    std::size_t value = 0;
    while (at < text.size() && digit(text[at]))
      value = value * 10 + static_cast<std::size_t>(text[at++] - '0');
    return value;
  };
  while (i < a.size() && j < b.size()) {
    if (digit(a[i]) && digit(b[j])) {
      const auto x = number(a, i), y = number(b, j);
      if (x != y) return x < y ? -1 : 1;
    } else if (a[i] != b[j]) {
      return a[i] < b[j] ? -1 : 1;
    } else {
      ++i;
      ++j;
    }
  }
  // What is left over is a further number (newer), or the letters of a candidate (older).
  const auto rest = [](const std::string& text, std::size_t at) {
    if (at >= text.size()) return 0;
    return std::isalpha(static_cast<unsigned char>(text[at])) != 0 ? -1 : 1;
  };
  return rest(a, i) - rest(b, j);
}

std::vector<const Model*> newest_of_each(const std::vector<const Model*>& models) {
  std::vector<const Model*> kept;
  for (const auto* model : models) {
    const bool outdated = std::any_of(models.begin(), models.end(), [&](const Model* other) {
      return other->conditions.implementation == model->conditions.implementation &&
             compare_releases(other->conditions.release, model->conditions.release) > 0;
    });
    if (!outdated) kept.push_back(model);
  }
  return kept;
}

std::vector<std::string> release_flags(const std::vector<const Model*>& models) {
  std::vector<std::string> flags;
  std::map<std::string, std::vector<std::string>> of_library;
  for (const auto* model : models) {
    auto& releases = of_library[model->conditions.implementation];
    const auto& own = model->conditions.release;
    if (std::find(releases.begin(), releases.end(), own) == releases.end()) releases.push_back(own);
  }
  for (auto& [library, releases] : of_library) {
    if (releases.size() < 2) continue;
    std::sort(releases.begin(), releases.end(),
              [](const auto& a, const auto& b) { return compare_releases(a, b) < 0; });
    const auto& before = releases[releases.size() - 2];
    flags.push_back("release " + releases.back() + " of " + library + " answers, the newest of " +
                    std::to_string(releases.size()) + "; the one before: " +
                    (names_release(before) ? before : "not said which, taken to be older"));
  }
  return flags;
}

}  // namespace moecal::calibration
