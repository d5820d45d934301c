// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/work.hpp"
#include "runtime/stream.hpp"

/// Copies bytes from one place of a device's memory to another: what its memory can stream.
namespace moecal::kernels {

struct MemoryCopyShape {
  std::int64_t bytes = 0;
};

/// Device memory on CUDA, host memory on the CPU; the two do not overlap.
struct MemoryCopyTensors {
  const std::byte* source = nullptr;  // [bytes]
  std::byte* target = nullptr;        // [bytes]
};

/// Every byte is read once and written once.
[[nodiscard]] Work memory_copy_work(const MemoryCopyShape& shape);

/// The oracle, and on the CPU what is measured: one thread.
void memory_copy_cpu(const MemoryCopyShape& shape, const MemoryCopyTensors& tensors);

/// Enqueues the copy on `stream`. Any size and alignment; pointers aligned to 16 bytes are fastest.
/// @throws Error if the launch is refused.
void memory_copy_cuda(const MemoryCopyShape& shape, const MemoryCopyTensors& tensors,
                      Stream stream);
/// The same by cudaMemcpyAsync. Own kernels are held to the faster of the two copies.
void memory_copy_cuda_runtime(const MemoryCopyShape& shape, const MemoryCopyTensors& tensors,
                              Stream stream);

}  // namespace moecal::kernels
