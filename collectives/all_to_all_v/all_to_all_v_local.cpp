// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "collectives/pattern.hpp"

namespace moecal::collectives {
namespace {

using Block = RoutedExchange::Block;
using Blocks = std::vector<Block>;

}  // namespace

CollectiveBuffers all_to_all_v_buffers(const CollectiveShape& shape) {
  const auto bytes = exchanged_bytes(*shape.exchange);
  return {std::ranges::max(bytes.sent), std::ranges::max(bytes.received)};
}

Work all_to_all_v_work(const CollectiveShape& shape) {
  const double bytes = static_cast<double>(shape.bytes);
  return {.flops = {},
          .read = Bytes{bytes},
          .written = Bytes{bytes},
          .sent = Bytes{bytes * (shape.group - 1.0) / shape.group},
          .messages = shape.group - 1};
}

void all_to_all_v_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  const Blocks& blocks = shape.exchange->sends[rank];
  for (int target = 0; target < shape.group; ++target)
    fill_block({shape.index, rank, target}, send.subspan(blocks[target].at, blocks[target].bytes));
}

double all_to_all_v_error(const CollectiveShape& shape, int rank,
                          std::span<const std::byte> receive) {
  const Blocks& blocks = shape.exchange->receives[rank];
  for (int source = 0; source < shape.group; ++source)
    if (!holds_block({shape.index, source, rank},
                     receive.subspan(blocks[source].at, blocks[source].bytes)))
      return 1;
  return 0;
}

void all_to_all_v_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks) {
  for (int source = 0; source < shape.group; ++source)
    for (int target = 0; target < shape.group; ++target) {
      const Block& block = shape.exchange->sends[source][target];
      std::copy_n(ranks[source].send + block.at, block.bytes,
                  ranks[target].receive + shape.exchange->receives[target][source].at);
    }
}

}  // namespace moecal::collectives
