// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace moecal::calibration {

/// Numbers as one line of text, each as short as reads back the same: a residual has thousands, and
/// one a line would bury the file's words.
[[nodiscard]] std::string to_line(std::span<const double> numbers);
[[nodiscard]] std::string to_line(std::span<const int> numbers);

/// The numbers of a line, separated by single spaces; nothing where it holds anything else, or a
/// number that is not finite.
[[nodiscard]] std::optional<std::vector<double>> numbers_of(std::string_view line);
[[nodiscard]] std::optional<std::vector<int>> whole_numbers_of(std::string_view line);

/// As few digits as say it, six at most: "0.5", "700".
[[nodiscard]] std::string number_text(double number);

}  // namespace moecal::calibration
