// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>

/// Small pieces of device memory out of large allocations; defined in a CUDA build only.
namespace moecal::device_slabs {

/// While one lives, what its thread allocates in small pieces shares allocations: for the tens of
/// thousands of buffer sets that keep a small kernel cold, the driver would take seconds. Not
/// otherwise: a kernel that writes beyond its buffer is to be found.
class Sharing {
 public:
  explicit Sharing(bool wanted);
  ~Sharing();
  Sharing(const Sharing&) = delete;
  Sharing& operator=(const Sharing&) = delete;

 private:
  bool before_;
};

/// As device_memory's, which they call where nothing is shared. An allocation that was shared is
/// given back with its last piece.
[[nodiscard]] void* allocate(std::size_t bytes);
void release(void* data) noexcept;

}  // namespace moecal::device_slabs
