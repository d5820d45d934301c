// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace moecal::bench {

/// Hands out the buffer sets of a trial in turn and remembers which were used, so that a sample may
/// call itself cold only if every set was really launched on.
class SetRotation {
 public:
  explicit SetRotation(int sets) : touched_(static_cast<std::size_t>(sets), false) {}

  [[nodiscard]] int sets() const { return static_cast<int>(touched_.size()); }
  /// The set of the next launch.
  [[nodiscard]] int next() {
    const auto set = next_;
    touched_[set] = true;
    next_ = set + 1 == touched_.size() ? 0 : set + 1;
    return static_cast<int>(set);
  }
  /// The sets of the last `launches` launches, each once, in the order of their first.
  [[nodiscard]] std::vector<int> last(std::int64_t launches) const {
    const auto count = static_cast<std::size_t>(std::min<std::int64_t>(launches, sets()));
    std::vector<int> used;
    for (std::size_t i = count; i > 0; --i)
      used.push_back(static_cast<int>((next_ + touched_.size() - i) % touched_.size()));
    return used;
  }
  /// Sets that a launch used since forget().
  [[nodiscard]] int touched() const {
    return static_cast<int>(std::count(touched_.begin(), touched_.end(), true));
  }
  /// Forgets what was touched, e.g. by the warm-up; the order goes on where it was.
  void forget() { touched_.assign(touched_.size(), false); }
  /// The first set no launch used since forget(), or -1.
  [[nodiscard]] int untouched() const {
    for (std::size_t set = 0; set < touched_.size(); ++set)
      if (!touched_[set]) return static_cast<int>(set);
    return -1;
  }

 private:
  std::vector<bool> touched_;
  std::size_t next_ = 0;
};

}  // namespace moecal::bench
