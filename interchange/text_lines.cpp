// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/text_lines.hpp"

#include <algorithm>
#include <cctype>

namespace moecal::interchange {
namespace {

/// "-1", ".5", "8x", and what stands for a number that is none.
bool starts_like_number(std::string_view word) {
  if (word == "nan" || word == "inf" || word == "N/A") return true;
  const auto first = word.find_first_not_of("+-.");
  return first <= 1 && first < word.size() && is_digit(word[first]);
}

/// "2026-01-02", "12:30:00", "0:", "10.0.0.1", "3/30", "10%|##": what noise starts with.
bool starts_noise(std::string_view word) {
  if (word.find_first_of(":/%") != word.npos) return true;
  if (std::count(word.begin(), word.end(), '.') > 1) return true;
  return word.size() >= 10 && word[4] == '-' && word[7] == '-';
}

/// "x2.34": a number of which the first digit was damaged. Only a point tells it from "H100".
bool is_spoilt_decimal(std::string_view word) {
  const auto point = word.find('.');
  if (point == word.npos || point < 1 || point + 1 == word.size()) return false;
  const auto rest = word.substr(1);
  return std::all_of(rest.begin(), rest.end(), [](char c) { return is_digit(c) || c == '.'; });
}

}  // namespace

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string_view> split_at(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::string_view> between(std::string_view text, std::string_view before,
                                        std::string_view after) {
  const auto start = text.find(before);
  if (start == std::string_view::npos) return std::nullopt;
  text.remove_prefix(start + before.size());
  const auto end = text.find(after);
  if (end == std::string_view::npos) return std::nullopt;
  return text.substr(0, end);
}

std::optional<std::vector<std::string_view>> markdown_cells(std::string_view line) {
  line = trimmed(line);
  if (line.size() < 2 || !line.starts_with('|') || !line.ends_with('|')) return std::nullopt;
  line.remove_prefix(1);
  line.remove_suffix(1);
  return split_at(line, '|');
}

bool looks_like_row(std::string_view line) {
  line = trimmed(line);
  int words = 0, numbers = 0;
  while (!line.empty()) {
    const auto word = line.substr(0, line.find_first_of(" \t"));
    line = trimmed(line.substr(word.size()));
    if (word == "|") continue;
    if (words == 0 && (!starts_like_number(word) || starts_noise(word))) return false;
    ++words;
    numbers += starts_like_number(word) || is_spoilt_decimal(word) ? 1 : 0;
  }
  return 2 * numbers > words;
}

bool looks_like_markdown_row(std::string_view line) {
  line = trimmed(line);
  return line.starts_with('|') || line.ends_with('|') || looks_like_row(line);
}

bool ends_table(std::string_view line) {
  line = trimmed(line);
  return line.empty() || line.starts_with('#');
}

bool is_markdown_rule(const std::vector<std::string_view>& cells) {
  return std::all_of(cells.begin(), cells.end(), [](std::string_view cell) {
    return !cell.empty() && cell.find_first_not_of(":-\\ ") == std::string_view::npos;
  });
}

}  // namespace moecal::interchange
