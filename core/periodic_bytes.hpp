// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace moecal {

/// After so many elements fills repeat: the largest prime below 2^20, so that no two rows of a
/// usual length are alike.
inline constexpr std::size_t kFillPeriod = 1'048'573;

/// An array of bytes that repeats: only its period is in memory, and copies of the object share it.
/// What fills gigabytes of a device is made on the host once and crosses the bus once
/// (runtime/device_memory.hpp); the host looks up what it wants to know of it.
class PeriodicBytes {
 public:
  using Period = std::shared_ptr<const std::vector<std::byte>>;

  PeriodicBytes() = default;
  /// `size` bytes: those of the period again and again, or the first of them.
  /// @throws Error if there are bytes, but none in the period.
  PeriodicBytes(Period period, std::size_t size);
  /// An array that is given whole.
  explicit PeriodicBytes(std::vector<std::byte> bytes);

  [[nodiscard]] std::size_t size() const { return size_; }
  /// Bytes after which it repeats; size() if it does not.
  [[nodiscard]] std::size_t period() const {
    return size_ == 0 ? 0 : std::min(size_, period_->size());
  }
  /// The bytes from `first` on, first < size(), that lie side by side in memory: up to the end of
  /// the period or of the array.
  [[nodiscard]] std::span<const std::byte> stretch(std::size_t first) const;
  /// Copies those from `first` on.
  void copy(std::size_t first, std::span<std::byte> to) const;
  /// Whether these are the ones from `first` on.
  [[nodiscard]] bool equals(std::size_t first, std::span<const std::byte> bytes) const;
  [[nodiscard]] std::vector<std::byte> whole() const;
  /// `count` of them from `first` on, of the same period.
  [[nodiscard]] PeriodicBytes part(std::size_t first, std::size_t count) const;

 private:
  Period period_;
  std::size_t start_ = 0;  // in the period, of byte 0
  std::size_t size_ = 0;
};

}  // namespace moecal
