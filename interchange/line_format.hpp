// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <string>

#include "interchange/importer.hpp"
#include "interchange/text_lines.hpp"
#include "interchange/text_search.hpp"

/// What the formats share that are known by one line: a table's head, or a title.
namespace moecal::interchange {

/// Format::read where a class Importer takes the file and the options, and its import() the rest.
template <class Importer>
[[nodiscard]] Imported read_with(const ForeignFile& file, const ImportOptions& options) {
  return Importer{file, options}.import();
}

/// True if the predicate is true of the text of any line.
template <class Predicate>
[[nodiscard]] bool any_line(const std::string& text, const Predicate& is_it) {
  const auto lines = numbered_lines(text);
  return std::any_of(lines.begin(), lines.end(),
                     [&](const TextLine& line) { return is_it(line.text); });
}

/// True if the predicate is true of the cells of any line that is a table row in Markdown.
template <class Predicate>
[[nodiscard]] bool any_markdown_row(std::string_view text, const Predicate& is_it) {
  const auto lines = lines_of(text);
  return std::any_of(lines.begin(), lines.end(), [&](std::string_view line) {
    const auto cells = markdown_cells(line);
    return cells && is_it(*cells);
  });
}

}  // namespace moecal::interchange
