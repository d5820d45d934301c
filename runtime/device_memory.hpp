// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/periodic_bytes.hpp"

/// Memory of the current CUDA device, without CUDA's header; defined in a CUDA build only. Every
/// function has finished when it returns.
namespace moecal::device_memory {

/// Zeroed. @throws Unsupported if the device has not that much left.
[[nodiscard]] void* allocate(std::size_t bytes);
void release(void* data) noexcept;

void write(void* to, const void* from, std::size_t bytes);
/// One period crosses the bus; the device copies it on.
void write(void* to, const PeriodicBytes& bytes);

/// Waits for the device first, as all that read.
void read(void* to, const void* from, std::size_t bytes);
/// Whether it holds these bytes. The host reads them piece by piece.
[[nodiscard]] bool holds(const void* from, const PeriodicBytes& bytes);

/// Rows of an array in device memory, in any order. The array's last row may be shorter.
struct Rows {
  const void* array = nullptr;
  std::size_t bytes = 0;  // of the array
  std::size_t row_bytes = 0;
  std::span<const std::int64_t> rows;
};
/// Copies them to the host, one after the other.
void read_rows(void* to, const Rows& from);

}  // namespace moecal::device_memory
