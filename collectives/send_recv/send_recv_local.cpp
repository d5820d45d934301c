// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "collectives/pattern.hpp"
#include "collectives/send_recv/send_recv.hpp"

namespace moecal::collectives {

CollectiveBuffers send_recv_buffers(const CollectiveShape& shape) {
  check_whole_elements(shape.bytes, shape.dtype);
  return {shape.bytes, shape.bytes};
}

Work send_recv_work(const CollectiveShape& shape) {
  const Bytes bytes{static_cast<double>(shape.bytes)};
  return {.flops = {}, .read = bytes, .written = bytes, .sent = bytes, .messages = 1};
}

void send_recv_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  fill_block({shape.index, rank, (rank + 1) % shape.group}, send);
}

double send_recv_error(const CollectiveShape& shape, int rank, std::span<const std::byte> receive) {
  return holds_block({shape.index, (rank + shape.group - 1) % shape.group, rank}, receive) ? 0 : 1;
}

void send_recv_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks) {
  for (int rank = 0; rank < shape.group; ++rank)
    std::copy_n(ranks[rank].send, shape.bytes, ranks[(rank + 1) % shape.group].receive);
}

}  // namespace moecal::collectives
