// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moecal::interchange {

[[nodiscard]] bool is_digit(char c);
/// The lines of a text, without their ends ("\n" or "\r\n"). Line n of the file is [n - 1].
[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);
/// Without blanks at either end.
[[nodiscard]] std::string_view trimmed(std::string_view text);
/// The parts between separators, trimmed. "a, b" -> {"a", "b"}; "" -> {""}.
[[nodiscard]] std::vector<std::string_view> split_at(std::string_view text, char separator);
/// What stands between `before` and the next `after` behind it; nothing if either is missing.
[[nodiscard]] std::optional<std::string_view> between(std::string_view text,
                                                      std::string_view before,
                                                      std::string_view after);
/// The cells of a table row in Markdown, trimmed; nothing if the line is not of the form "| .. |".
[[nodiscard]] std::optional<std::vector<std::string_view>> markdown_cells(std::string_view line);
/// True for a line that, below the head of a table, can only be a row that was damaged: it starts
/// with a number, and so do most of its words ("8 GPUs" is none). Time stamps, labels, addresses,
/// shares and dates at its start say that it is something else.
[[nodiscard]] bool looks_like_row(std::string_view line);
/// The same of a table in Markdown, for a line without cells: it has one of the bars around a row.
[[nodiscard]] bool looks_like_markdown_row(std::string_view line);
/// True for what ends a table: a blank line, a heading. Nothing else does.
[[nodiscard]] bool ends_table(std::string_view line);
/// True for the line of a Markdown table that separates head and rows ("|:---|---:|").
[[nodiscard]] bool is_markdown_rule(const std::vector<std::string_view>& cells);

}  // namespace moecal::interchange
