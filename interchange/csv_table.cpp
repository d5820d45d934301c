// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/csv_table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

namespace moecal::interchange {
namespace {

constexpr int kLinesBeforeHead = 10;

/// Splits at commas outside of quotes.
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

std::optional<CsvTable> CsvTable::find(const std::string& text,
                                       const std::vector<std::string>& needed) {
  std::istringstream stream{text};
  std::string line;
  CsvTable table;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (line.empty() || line == "\r") continue;
    auto fields = split(line);
    if (!table.columns_.empty())
      table.rows_.push_back({number, std::move(fields)});
    else if (!table.take_head(fields, needed) && number >= kLinesBeforeHead)
      return std::nullopt;
  }
  if (table.columns_.empty()) return std::nullopt;
  return table;
}

std::vector<CsvTable> CsvTable::find_all(const std::string& text,
                                         const std::vector<std::string>& needed) {
  std::istringstream stream{text};
  std::string line;
  std::vector<CsvTable> tables;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (line.empty() || line == "\r") continue;
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
