// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "bench/benchmark.hpp"
#include "runtime/memory.hpp"

namespace moecal::bench {

/// Proof, where the results lie, that launches wrote to every buffer set: the start of each set's
/// result is overwritten with bytes that no launch leaves (NaN; of integers -1), and looked at when
/// the set was launched on. SetRotation counts what the host meant to launch; this sees a launch
/// that does nothing or writes elsewhere. Of more than a thousand sets one in so many is looked at,
/// spread over all. Nothing is marked where it would prove nothing: where a set has no result of
/// its own (Trial::written), or two share memory, whose marks one launch would clear.
class ResultMarks {
 public:
  ResultMarks(Trial& trial, Memory::Place place, int sets);

  /// Marks the sets. Nothing may be under way. Synchronous.
  void make();
  /// Whether the set's mark is gone, if that was not seen before: for a set that is drawn anew,
  /// which may erase its result. Waits for the device.
  void look(int set);
  /// Looks at all other sets. The first whose mark is still there, or -1.
  [[nodiscard]] int unwritten();
  /// Why it is not proven that launches wrote to every set that is looked at; empty where it is, or
  /// where this rank takes no part. Looks as unwritten() does.
  [[nodiscard]] std::string unproven();

 private:
  enum class State { not_marked, marked, written, unwritten };
  [[nodiscard]] std::span<std::byte> place_of_mark(int set) const;
  [[nodiscard]] bool holds_mark(int set) const;
  [[nodiscard]] int sets() const { return static_cast<int>(states_.size()); }
  [[nodiscard]] std::string why_marks_prove_nothing() const;

  Trial& trial_;
  Memory::Place place_;
  std::vector<State> states_;
  std::string unmarked_because_;
};

}  // namespace moecal::bench
