// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>

/// What Memory needs of CUDA; defined in a CUDA build only.
namespace moecal::device_memory {

/// Zeroed. @throws Unsupported if the device has not that much left.
[[nodiscard]] void* allocate(std::size_t bytes);
void release(void* data) noexcept;
void write(void* to, const void* from, std::size_t bytes);
/// Waits for the device first.
void read(void* to, const void* from, std::size_t bytes);

}  // namespace moecal::device_memory
