// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Small readers of foreign text: every format of columns needs them.
namespace moecal::interchange {

/// One line of a text.
struct TextLine {
  int number = 0;  // 1-based
  std::string text;
};

/// The lines, without their ends and without what is past any sensible length. A line ended with a
/// backslash is one with the next, as commands are.
[[nodiscard]] std::vector<TextLine> numbered_lines(const std::string& text);

/// Replaces what a launcher puts before each piece of output: "0:" (srun --label),
/// "[1,0]<stdout>:" (mpirun --tag-output), "[0]" (mpich), in the middle of a line too, where ranks
/// wrote at the same time. remove_launcher_prefixes() knows more of them, at the start of lines.
[[nodiscard]] std::string without_prefixes(const std::string& line);

/// The words between white space.
[[nodiscard]] std::vector<std::string> words_of(const std::string& text);

/// What stands between bars: "| 1 | 2 |" -> {"1", "2"}, without white space around.
[[nodiscard]] std::vector<std::string> cells_of(std::string_view line);

/// The whole number that the first group of a regular expression finds; nothing if it finds none,
/// or one of more than nine digits.
[[nodiscard]] std::optional<int> option_value(const std::string& text, const std::string& pattern);

}  // namespace moecal::interchange
