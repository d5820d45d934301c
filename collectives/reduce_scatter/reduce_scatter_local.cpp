// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "collectives/pattern.hpp"
#include "collectives/reduce_scatter/reduce_scatter.hpp"

namespace moecal::collectives {

CollectiveBuffers reduce_scatter_buffers(const CollectiveShape& shape) {
  static_cast<void>(summand({shape.dtype, shape.group}, 0, 0));
  return {shape.bytes, block_bytes(shape.bytes, shape.group, shape.dtype)};
}

Work reduce_scatter_work(const CollectiveShape& shape) {
  const double bytes = static_cast<double>(shape.bytes);
  const double share = (shape.group - 1.0) / shape.group;
  return {.flops = Flops{share * static_cast<double>(shape.elements())},
          .read = Bytes{bytes},
          .written = Bytes{bytes / shape.group},
          .sent = Bytes{share * bytes},
          .messages = shape.group - 1};
}

void reduce_scatter_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  static_cast<void>(reduce_scatter_buffers(shape));
  fill_summands({shape.dtype, shape.group, shape.index}, rank, send);
}

double reduce_scatter_error(const CollectiveShape& shape, int rank,
                            std::span<const std::byte> receive) {
  const std::int64_t elements = reduce_scatter_buffers(shape).receive / size_of(shape.dtype);
  return sum_error({shape.dtype, shape.group, shape.index, rank * elements}, receive);
}

void reduce_scatter_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks) {
  const std::int64_t block = reduce_scatter_buffers(shape).receive;
  std::vector<const std::byte*> sent;
  for (const auto& rank : ranks) sent.push_back(rank.send);
  for (const auto& rank : ranks) {
    add_elements(shape.dtype, sent, {rank.receive, static_cast<std::size_t>(block)});
    for (auto& buffer : sent) buffer += block;
  }
}

}  // namespace moecal::collectives
