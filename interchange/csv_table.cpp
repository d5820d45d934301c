// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/csv_table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "interchange/text_lines.hpp"

namespace moecal::interchange {
namespace {

/// Splits at commas outside of quotes; blanks around a field are no part of it.
std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      fields.emplace_back();
    else if (c != '\r')
      fields.back() += c;
  }
  for (auto& field : fields) field = trimmed(field);
  return fields;
}

}  // namespace

std::string CsvRow::text(const std::string& column) const {
  const auto found = columns_->find(column);
  return found == columns_->end() ? "" : fields_[found->second];
}

double CsvRow::number(const std::string& column) const {
  const auto field = text(column);
  double value = 0;
  const auto [end, status] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (status != std::errc{} || end != field.data() + field.size() || !std::isfinite(value))
    throw InvalidInput{"column '" + column + "' is '" + field + "', not a number"};
  return value;
}

std::int64_t CsvRow::count(const std::string& column) const {
  const double value = number(column);
  if (value < 1 || value > 9e15 || value != std::floor(value))
    throw InvalidInput{"column '" + column + "' is '" + text(column) +
                       "', not a whole number above 0"};
  return static_cast<std::int64_t>(value);
}

std::vector<std::string> CsvTable::columns() const {
  std::map<std::size_t, std::string> in_order;
  for (const auto& [name, index] : columns_) in_order.emplace(index, name);
  std::vector<std::string> names;
  for (const auto& [index, name] : in_order) names.push_back(name);
  return names;
}

bool CsvTable::take_head(const std::vector<std::string>& fields,
                         const std::vector<std::string>& needed) {
  const bool is_head = std::all_of(needed.begin(), needed.end(), [&fields](const auto& column) {
    return std::find(fields.begin(), fields.end(), column) != fields.end();
  });
  if (!is_head) return false;
  width_ = fields.size();
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (!columns_.emplace(fields[i], i).second && !fields[i].empty() && repeated_.empty())
      repeated_ = fields[i];
  return true;
}

bool CsvTable::has_head(const std::string& text, const std::vector<std::string>& needed) {
  const auto lines = lines_of(text);
  return std::any_of(lines.begin(), lines.end(), [&needed](std::string_view line) {
    const bool may_be = line.find(needed.front()) != line.npos;  // few lines are worth splitting
    return may_be && CsvTable{}.take_head(split(std::string{line}), needed);
  });
}

std::vector<CsvTable> CsvTable::find_all(const std::string& text,
                                         const std::vector<std::string>& needed) {
  std::istringstream stream{text};
  std::string line;
  std::vector<CsvTable> tables;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (trimmed(line).empty()) continue;
    auto fields = split(line);
    CsvTable next;
    if (next.take_head(fields, needed))
      tables.push_back(std::move(next));
    else if (!tables.empty())
      tables.back().rows_.push_back({number, std::move(fields)});
  }
  return tables;
}

}  // namespace moecal::interchange
