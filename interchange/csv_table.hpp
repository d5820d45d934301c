// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace moecal::interchange {

/// One row of a CSV table: its fields by the names of the columns.
class CsvRow {
 public:
  CsvRow(const std::map<std::string, std::size_t>& columns, std::vector<std::string> fields,
         int line)
      : columns_{&columns}, fields_{std::move(fields)}, line_{line} {}

  [[nodiscard]] int line() const { return line_; }
  /// The field; empty where the table has no such column.
  [[nodiscard]] std::string text(const std::string& column) const;
  /// The field as a finite number. @throws InvalidInput "column 'm' is 'x', not a number"
  [[nodiscard]] double number(const std::string& column) const;
  /// The field as a whole number above 0. @throws InvalidInput
  [[nodiscard]] std::int64_t count(const std::string& column) const;

 private:
  const std::map<std::string, std::size_t>* columns_;
  std::vector<std::string> fields_;
  int line_;
};

/// A CSV file: lines before the head are skipped (tools and people put remarks there).
class CsvTable {
 public:
  /// Every table of a text in which heads may stand anywhere: a line that has all needed columns
  /// begins a table, which goes on to the next one. Files put one behind the other are such a text.
  static std::vector<CsvTable> find_all(const std::string& text,
                                        const std::vector<std::string>& needed);
  /// Whether find_all() would find one.
  static bool has_head(const std::string& text, const std::vector<std::string>& needed);

  [[nodiscard]] bool has(const std::string& column) const { return columns_.contains(column); }
  /// The names of the columns, left to right; of columns with one name, the first.
  [[nodiscard]] std::vector<std::string> columns() const;
  /// A name that two columns have; empty: there is none.
  [[nodiscard]] const std::string& repeated() const { return repeated_; }
  /// Calls `take` for each row; a row of another width is given to `refuse` with the reason.
  template <class Take, class Refuse>
  void for_each(Take take, Refuse refuse) const {
    for (const auto& [line, fields] : rows_) {
      if (fields.size() == width_)
        take(CsvRow{columns_, fields, line});
      else
        refuse(line, "has " + std::to_string(fields.size()) + " fields where the head has " +
                         std::to_string(width_));
    }
  }

 private:
  struct NumberedFields {
    int line;
    std::vector<std::string> fields;
  };
  /// True, and the table's columns are set, if the fields have all that is needed of a head.
  bool take_head(const std::vector<std::string>& fields, const std::vector<std::string>& needed);

  std::map<std::string, std::size_t> columns_;  // of columns with one name, the first
  std::string repeated_;
  std::size_t width_ = 0;
  std::vector<NumberedFields> rows_;
};

}  // namespace moecal::interchange
