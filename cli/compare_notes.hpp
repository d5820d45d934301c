// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace moecal::cli {

/// What the predictions of a report warn of. Warnings that differ only in their numbers are one
/// note, which gives the least and the most of each number.
class CompareNotes {
 public:
  /// "[1][3]": the marks of one prediction.
  std::string marks(const std::vector<std::string>& flags);
  /// A line a note, in the order of their marks.
  [[nodiscard]] std::string text() const;

 private:
  struct Number {
    double value = 0;
    std::string text;  // as the warning has it
  };
  struct Note {
    std::vector<std::string> words;                  // between the numbers: one more than these
    std::vector<std::pair<Number, Number>> numbers;  // least and most
  };

  static Note note_of(const std::string& flag);
  static void widen(Note& known, const Note& seen);
  std::size_t index_of(const std::string& flag);

  std::vector<Note> notes_;
};

}  // namespace moecal::cli
