// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>

#include "interchange/import_collector.hpp"

namespace moecal::interchange {

/// The device of some rows: its card, and its name as the file has it.
struct Device {
  Card card;
  std::string name;
};

/// Collects rows that are of single devices: kernels, copies.
class KernelCollector : public Collector {
 public:
  using Collector::Collector;

  /// The device that a file names on that line (empty: none), or --card. Not inside row(): an
  /// unknown card is wrong with the whole file. @throws InvalidInput
  [[nodiscard]] Device device(const std::string& name, int line) {
    return {card_of(name, line), name};
  }
  /// An observation from that line on a GPU: `seconds` is a mean unless the caller says otherwise.
  [[nodiscard]] Observation start(int line, double seconds) const;
  /// Takes it, in the environment of its device, its library and shared_environment(). Its work, if
  /// still zero, follows from the point of an operation that moecal knows.
  /// @throws InvalidInput if the time is no time, or impossible on this card.
  void take(Observation observation, const Device& device);
  /// What the environments of all rows have besides card, device and library.
  Environment& shared_environment() { return shared_; }

 private:
  Environment shared_;
};

}  // namespace moecal::interchange
