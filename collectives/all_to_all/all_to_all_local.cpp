// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "collectives/all_to_all/all_to_all.hpp"
#include "collectives/pattern.hpp"

namespace moecal::collectives {
std::int64_t all_to_all_block_bytes(const CollectiveShape& shape) {
  return block_bytes(shape.bytes, shape.group, shape.dtype);
}

CollectiveBuffers all_to_all_buffers(const CollectiveShape& shape) {
  static_cast<void>(all_to_all_block_bytes(shape));
  return {shape.bytes, shape.bytes};
}

Work all_to_all_work(const CollectiveShape& shape) {
  const double bytes = static_cast<double>(shape.bytes);
  return {.flops = {},
          .read = Bytes{bytes},
          .written = Bytes{bytes},
          .sent = Bytes{bytes * (shape.group - 1.0) / shape.group},
          .messages = shape.group - 1};
}

void all_to_all_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  const std::int64_t block = all_to_all_block_bytes(shape);
  for (int target = 0; target < shape.group; ++target)
    fill_block({shape.index, rank, target}, send.subspan(target * block, block));
}

double all_to_all_error(const CollectiveShape& shape, int rank,
                        std::span<const std::byte> receive) {
  const std::int64_t block = all_to_all_block_bytes(shape);
  for (int source = 0; source < shape.group; ++source)
    if (!holds_block({shape.index, source, rank}, receive.subspan(source * block, block))) return 1;
  return 0;
}

void all_to_all_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks) {
  const std::int64_t block = all_to_all_block_bytes(shape);
  for (int source = 0; source < shape.group; ++source)
    for (int target = 0; target < shape.group; ++target)
      std::copy_n(ranks[source].send + target * block, block,
                  ranks[target].receive + source * block);
}

}  // namespace moecal::collectives
