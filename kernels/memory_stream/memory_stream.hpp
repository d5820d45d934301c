// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "core/work.hpp"
#include "runtime/stream.hpp"

/// Streams f32 arrays through a device's memory: what it reads, writes and moves at best, beside
/// memory_copy. Which arrays are streamed names the kernel:
///   reads 1, writes 0   read    one sum per block of 4096 elements
///   reads 0, writes 1   write   target = factor
///   reads 2, writes 1   triad   target = first + factor * second
namespace moecal::kernels {

struct MemoryStreamShape {
  std::int64_t bytes = 0;  // of each array; a multiple of 16
  std::int64_t reads = 0;  // arrays
  std::int64_t writes = 0;
};

inline constexpr std::int64_t kStreamBlockElements = 4096;
inline constexpr float kStreamFactor = 0.75F;

/// Device memory on CUDA, host memory on the CPU; arrays aligned to 16 bytes. Those that the shape
/// does not stream are null.
struct MemoryStreamTensors {
  const float* first = nullptr;   // [bytes / 4]
  const float* second = nullptr;  // [bytes / 4]
  float* target = nullptr;        // [bytes / 4]; of read: the sums, [stream_sums(shape)]
};

/// Sums that read leaves: one per block begun.
[[nodiscard]] std::int64_t stream_sums(const MemoryStreamShape& shape);
/// @throws InvalidInput for arrays that name no kernel, or sizes that are no multiple of 16 bytes.
void check_shape(const MemoryStreamShape& shape);
/// Every array once. The sums of read, 4 bytes in 16 KiB, are not counted.
[[nodiscard]] Work memory_stream_work(const MemoryStreamShape& shape);

/// The oracle, and on the CPU what is measured: one thread.
void memory_stream_cpu(const MemoryStreamShape& shape, const MemoryStreamTensors& tensors);

/// Enqueues the kernel on `stream`. @throws Error if the launch is refused.
void memory_stream_cuda(const MemoryStreamShape& shape, const MemoryStreamTensors& tensors,
                        Stream stream);

}  // namespace moecal::kernels
