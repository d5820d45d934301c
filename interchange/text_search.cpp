// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/text_search.hpp"

#include <algorithm>
#include <regex>
#include <sstream>

#include "interchange/text_lines.hpp"

namespace moecal::interchange {
namespace {

// No line of a table comes near this; std::regex recurses on long ones.
constexpr std::size_t kLongestLine = 2000;

}  // namespace

std::vector<TextLine> numbered_lines(const std::string& text) {
  std::vector<TextLine> lines;
  std::istringstream stream{text};
  std::string line, continued;
  const auto add = [&](int number) {
    lines.push_back({number, continued.substr(0, kLongestLine)});
    continued.clear();
  };
  int number = 1;
  for (; std::getline(stream, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    continued += line;
    if (!continued.empty() && continued.back() == '\\')
      continued.back() = ' ';
    else
      add(number);
  }
  if (!continued.empty()) add(number - 1);
  return lines;
}

std::string without_prefixes(const std::string& line) {
  static const std::regex kTag{R"(\[\d+(,\d+)?\](<std(out|err)>:)?)"};
  static const std::regex kLabel{R"(^\s*\d+:(?=\s))"};
  return std::regex_replace(std::regex_replace(line, kTag, " "), kLabel, " ");
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream{text};
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::vector<std::string> cells_of(std::string_view line) {
  line = trimmed(line);
  if (line.starts_with('|')) line.remove_prefix(1);
  if (line.ends_with('|')) line.remove_suffix(1);
  std::vector<std::string> cells;
  for (std::size_t from = 0; from <= line.size();) {
    const auto bar = std::min(line.find('|', from), line.size());
    cells.emplace_back(trimmed(line.substr(from, bar - from)));
    from = bar + 1;
  }
  return cells;
}

std::optional<int> option_value(const std::string& text, const std::string& pattern) {
  std::smatch match;
  if (!std::regex_search(text, match, std::regex{pattern})) return std::nullopt;
  const auto digits = match[1].str();
  if (digits.empty() || digits.size() > 9) return std::nullopt;
  return std::stoi(digits);
}

}  // namespace moecal::interchange
