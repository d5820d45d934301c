// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "core/periodic_bytes.hpp"
#include "kernels/memory_copy/memory_copy.hpp"

namespace moecal::kernels {

/// Sets of a source, filled with a pattern, and a target to copy it to.
class MemoryCopyBuffers {
 public:
  virtual ~MemoryCopyBuffers() = default;
  [[nodiscard]] virtual MemoryCopyTensors tensors(int set) = 0;
  /// Whether the target of a set holds these bytes now; waits for work under way.
  [[nodiscard]] virtual bool target_holds(int set, const PeriodicBytes& bytes) = 0;
};

/// What every source holds, [bytes]: bf16 numbers uniform in [-1, 1].
[[nodiscard]] PeriodicBytes memory_copy_pattern(const MemoryCopyShape& shape);

[[nodiscard]] std::unique_ptr<MemoryCopyBuffers> make_memory_copy_host_buffers(
    const MemoryCopyShape& shape, int sets);
/// On the current device; only in builds with CUDA. @throws Unsupported if its memory is too small.
[[nodiscard]] std::unique_ptr<MemoryCopyBuffers> make_memory_copy_device_buffers(
    const MemoryCopyShape& shape, int sets);

}  // namespace moecal::kernels
