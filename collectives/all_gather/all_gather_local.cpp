// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "collectives/all_gather/all_gather.hpp"
#include "collectives/pattern.hpp"

namespace moecal::collectives {

CollectiveBuffers all_gather_buffers(const CollectiveShape& shape) {
  return {block_bytes(shape.bytes, shape.group, shape.dtype), shape.bytes};
}

Work all_gather_work(const CollectiveShape& shape) {
  const double bytes = static_cast<double>(shape.bytes);
  return {.flops = {},
          .read = Bytes{bytes / shape.group},
          .written = Bytes{bytes},
          .sent = Bytes{bytes * (shape.group - 1.0) / shape.group},
          .messages = shape.group - 1};
}

void all_gather_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  fill_block({shape.index, rank, 0}, send);
}

double all_gather_error(const CollectiveShape& shape, int, std::span<const std::byte> receive) {
  const std::int64_t block = all_gather_buffers(shape).send;
  for (int source = 0; source < shape.group; ++source)
    if (!holds_block({shape.index, source, 0}, receive.subspan(source * block, block))) return 1;
  return 0;
}

void all_gather_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks) {
  const std::int64_t block = all_gather_buffers(shape).send;
  for (const auto& target : ranks)
    for (int source = 0; source < shape.group; ++source)
      std::copy_n(ranks[source].send, block, target.receive + source * block);
}

}  // namespace moecal::collectives
