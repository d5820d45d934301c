// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <vector>

#include "kernels/memory_copy/memory_copy.hpp"

namespace moecal::kernels {

/// Sets of a source, filled with a pattern, and a target to copy it to.
class MemoryCopyBuffers {
 public:
  virtual ~MemoryCopyBuffers() = default;
  [[nodiscard]] virtual MemoryCopyTensors tensors(int set) = 0;
  /// The target of a set as it is now, [bytes]; waits for work under way.
  [[nodiscard]] virtual std::vector<std::byte> target(int set) = 0;
};

/// What every source holds, [bytes]: bf16 numbers uniform in [-1, 1]. No two neighbouring blocks
/// are alike, so that a misplaced one is seen.
[[nodiscard]] std::vector<std::byte> memory_copy_pattern(const MemoryCopyShape& shape);

[[nodiscard]] std::unique_ptr<MemoryCopyBuffers> make_memory_copy_host_buffers(
    const MemoryCopyShape& shape, int sets);
/// On the current device; only in builds with CUDA. @throws Unsupported if its memory is too small.
[[nodiscard]] std::unique_ptr<MemoryCopyBuffers> make_memory_copy_device_buffers(
    const MemoryCopyShape& shape, int sets);

}  // namespace moecal::kernels
