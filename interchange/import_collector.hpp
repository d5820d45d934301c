// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <set>
#include <string>

#include "interchange/importer.hpp"

namespace moecal::interchange {

/// Collects what one foreign file gives: every reader hands it rows, and it counts them, resolves
/// cards, keeps environments apart, numbers repetitions and refuses what cannot be.
class Collector {
 public:
  /// @param tool the program that wrote the file: what goes into the record's source
  Collector(const ForeignFile& file, const ImportOptions& options, std::string tool);

  /// Counts a row of this line and takes it; the row is refused for what `take` throws as
  /// InvalidInput, and if `take` neither takes, refuses nor leaves out anything: no row is lost in
  /// silence.
  template <class Take>
  void row(int line, Take take) {
    ++imported_.rows_read;
    imported_.lines_read.push_back(line);
    line_ = line;
    const auto before = dealt_with();
    try {
      take();
      if (dealt_with() == before) refuse(line, "nothing in the row was understood");
    } catch (const InvalidInput& error) {
      refuse(line, error.what());
    }
  }
  /// Counts a line that stands in a table, and of which no row could be made.
  void refuse_damaged(int line) {
    row(line, [] { throw InvalidInput{"the line is in a table and not understood as its row"}; });
  }
  /// A row counted by row(), or by none, that is not believed.
  void refuse(int line, const std::string& reason);
  /// A row that is sound, but for which moecal has no word: "dtype nvfp4". Inside of row().
  void leave_out(const std::string& what);
  /// Something inferred, for the user to see; said once.
  void note(const std::string& sentence);

  /// The card the user names or the device is. An unknown card is wrong with the whole file: call
  /// this outside of row(). @throws InvalidInput naming file and line.
  const Card& card_of(const std::string& device_name, int line);

  /// What comes now is of another run of the program than what came before, in the same file. The
  /// first needs no word.
  void begin_section() { section_ += 1; }

  /// What every observation of the file has: run, source, and nothing verified.
  [[nodiscard]] Observation start(int line) const;
  /// The environment of a card and of devices per node (0: not known); --system wins.
  [[nodiscard]] Environment environment(const Card& card, int devices_per_node) const;
  /// Takes a finished observation. @throws InvalidInput if a sample is no time, or one in which the
  /// card cannot have done that, or its group of ranks cannot be.
  void take(Observation observation, const Environment& environment, const Card& card);

  [[nodiscard]] const ForeignFile& file() const { return file_; }
  [[nodiscard]] const ImportOptions& options() const { return options_; }
  [[nodiscard]] Imported finish() { return std::move(imported_); }

 private:
  /// Observations, refusals and rows left out so far.
  [[nodiscard]] std::size_t dealt_with() const;

  const ForeignFile& file_;
  const ImportOptions& options_;
  std::string tool_;
  Imported imported_;
  std::map<std::string, Card> cards_;  // by device name
  std::set<std::string> environments_;
  std::map<std::string, int> repetitions_;
  int line_ = 0;     // of the row in hand
  int section_ = 0;  // begun so far
};

}  // namespace moecal::interchange
