// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "collectives/broadcast/broadcast.hpp"
#include "collectives/pattern.hpp"

namespace moecal::collectives {

CollectiveBuffers broadcast_buffers(const CollectiveShape& shape) {
  check_whole_elements(shape.bytes, shape.dtype);
  return {shape.bytes, shape.bytes};
}

Work broadcast_work(const CollectiveShape& shape) {
  const Bytes bytes{static_cast<double>(shape.bytes)};
  return {.flops = {}, .read = bytes, .written = bytes, .sent = bytes, .messages = 1};
}

// What the other ranks could send differs, so that a wrong root is noticed.
void broadcast_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  fill_block({shape.index, rank, 0}, send);
}

double broadcast_error(const CollectiveShape& shape, int, std::span<const std::byte> receive) {
  return holds_block({shape.index, 0, 0}, receive) ? 0 : 1;
}

void broadcast_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks) {
  for (const auto& rank : ranks)
    if (rank.receive != ranks[0].send) std::copy_n(ranks[0].send, shape.bytes, rank.receive);
}

}  // namespace moecal::collectives
