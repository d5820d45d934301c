// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "interchange/collective_run.hpp"
#include "interchange/text_search.hpp"

/// Tables of one collective's times by size, below a head, of runs that a command line began.
namespace moecal::interchange {

/// How a tool's tables look, and what records of them say.
struct CollectiveTableKind {
  std::string tool, implementation;
  std::string backend;      // and its library
  std::string operation{};  // of all tables; empty: the user, a command or the file's name says it
  std::function<bool(const std::string& line)> is_head;
  std::function<bool(const std::string& line)> is_row;      // of lines below a head
  std::function<bool(const std::string& line)> is_damaged;  // of lines in a table: a row was lost
};

/// True of a line of words the first of which is a number; that alone does not make a row: "8 ranks
/// are waiting".
[[nodiscard]] bool is_row_of_numbers(const std::string& line);

/// Goes through a file. A tool's own class takes rows, and what stands around tables.
class CollectiveTables {
 public:
  virtual ~CollectiveTables() = default;
  [[nodiscard]] Imported import();

 protected:
  CollectiveTables(const ForeignFile& file, const ImportOptions& options, CollectiveTableKind kind);

  /// A row, inside of Collector::row. @throws InvalidInput
  virtual void take_row(const TextLine& line) = 0;
  /// Any line that is neither head nor row.
  virtual void take_context(const std::string& line) = 0;
  /// What is assumed of a run whose first row comes.
  virtual void note_run() {}

  /// What the rows are of from here on, unless the user says it.
  void name_operation(const std::string& operation);
  /// Rows that follow are of another run, over these ranks; nothing: the user has to say.
  void begin_run_of(std::optional<Launch> launch);

  [[nodiscard]] Collector& collector() { return collector_; }
  [[nodiscard]] const std::string& operation() const { return operation_; }
  [[nodiscard]] const std::optional<Launch>& launch() const { return launch_; }
  [[nodiscard]] const CollectiveRun& run() const { return *run_; }
  /// A row's words, one under each word of the head. @throws InvalidInput
  [[nodiscard]] std::vector<std::string> words_of_row(const std::string& line) const;
  /// That under the head which starts like this. @throws InvalidInput
  [[nodiscard]] std::string field(const std::vector<std::string>& words,
                                  const std::string& start) const;

 private:
  void take_head(const std::string& line);
  void begin_row(const TextLine& line);
  void start_run(int line);

  const ImportOptions& options_;
  CollectiveTableKind kind_;
  Collector collector_;
  std::string operation_;
  std::vector<std::string> heads_;  // empty: rows may not come yet
  bool in_table_ = false;           // and a line that looks like a row is one
  std::optional<Launch> launch_;
  std::optional<CollectiveRun> run_;
};

}  // namespace moecal::interchange
