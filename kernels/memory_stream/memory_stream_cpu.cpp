// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>
#include <string>

#include "core/error.hpp"
#include "kernels/memory_stream/memory_stream.hpp"

namespace moecal::kernels {

std::int64_t stream_sums(const MemoryStreamShape& shape) {
  const std::int64_t elements = shape.bytes / 4;
  return (elements + kStreamBlockElements - 1) / kStreamBlockElements;
}

void check_shape(const MemoryStreamShape& shape) {
  const bool known = (shape.reads == 1 && shape.writes == 0) ||
                     (shape.reads == 0 && shape.writes == 1) ||
                     (shape.reads == 2 && shape.writes == 1);
  if (!known)
    throw InvalidInput{"memory_stream has no kernel of " + std::to_string(shape.reads) +
                       " arrays read and " + std::to_string(shape.writes) +
                       " written; it has 1 and 0, 0 and 1, 2 and 1"};
  if (shape.bytes < 0 || shape.bytes % 16 != 0)
    throw InvalidInput{"memory_stream needs arrays of a multiple of 16 bytes, not " +
                       std::to_string(shape.bytes)};
}

Work memory_stream_work(const MemoryStreamShape& shape) {
  const auto bytes = static_cast<double>(shape.bytes);
  return {.read = Bytes{bytes * static_cast<double>(shape.reads)},
          .written = Bytes{bytes * static_cast<double>(shape.writes)}};
}

void memory_stream_cpu(const MemoryStreamShape& shape, const MemoryStreamTensors& t) {
  check_shape(shape);
  const std::int64_t elements = shape.bytes / 4;
  if (shape.writes == 0)
    for (std::int64_t block = 0; block < stream_sums(shape); ++block) {
      const std::int64_t first = block * kStreamBlockElements;
      t.target[block] = std::accumulate(
          t.first + first, t.first + std::min(elements, first + kStreamBlockElements), 0.0F);
    }
  else if (shape.reads == 0)
    std::fill_n(t.target, elements, kStreamFactor);
  else
    for (std::int64_t i = 0; i < elements; ++i)
      t.target[i] = t.first[i] + kStreamFactor * t.second[i];
}

}  // namespace moecal::kernels
