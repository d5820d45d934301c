// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/periodic_bytes.hpp"

namespace moecal {

/// Memory where an implementation works, behind one type: so that what makes, fills and reads back
/// a benchmark's tensors is written once for CPU and CUDA. No CUDA header comes with it.
class Memory {
 public:
  /// The host's, or the current CUDA device's.
  enum class Place { host, device };

  /// Zeroed; aligned to 64 bytes or more. @throws Unsupported if there is not that much, or if the
  /// device's is asked for in a build without CUDA.
  Memory(Place place, std::size_t bytes);
  ~Memory();
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&& other) noexcept;

  /// Holds a copy of `values`. Synchronous.
  template <class T>
  [[nodiscard]] static Memory of(Place place, const std::vector<T>& values) {
    Memory memory{place, values.size() * sizeof(T)};
    memory.write(values.data());
    return memory;
  }
  [[nodiscard]] static Memory of(Place place, const PeriodicBytes& bytes);
  /// Overwrites it with `values`, as many bytes as it holds. Synchronous.
  template <class T>
  void assign(const std::vector<T>& values) {
    check_size(values.size() * sizeof(T));
    write(values.data());
  }
  /// A copy on the host, after the device has finished all that it was given.
  template <class T>
  [[nodiscard]] std::vector<T> to_host() const {
    std::vector<T> values(bytes_ / sizeof(T));
    read(values.data());
    return values;
  }
  /// The same of some rows of so many bytes, one after the other; the last row there is may be
  /// shorter.
  [[nodiscard]] std::vector<std::byte> rows_to_host(const std::vector<std::int64_t>& rows,
                                                    std::int64_t row_bytes) const;
  /// Whether it holds these bytes, as many as there are, when the device has finished.
  [[nodiscard]] bool holds(const PeriodicBytes& bytes) const;
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::span<std::byte> span() const {
    return {static_cast<std::byte*>(data_), bytes_};
  }
  template <class T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void check_size(std::size_t bytes) const;
  void write(const void* from);
  void read(void* to) const;

  Place place_;
  std::size_t bytes_;
  void* data_ = nullptr;
};

}  // namespace moecal
