// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include "collectives/all_to_all/all_to_all.hpp"
#include "collectives/pattern.hpp"
#include "core/error.hpp"

namespace moecal::collectives {
namespace {

void fill_block(int source, int target, std::span<std::byte> block) {
  const auto period = std::min<std::size_t>(block.size(), kBlockPeriod);
  for (std::size_t i = 0; i < period; ++i)
    block[i] = block_byte(source, target, static_cast<std::int64_t>(i));
  repeat_start(block, period);
}

}  // namespace

std::int64_t all_to_all_block_bytes(const CollectiveShape& shape) {
  const std::int64_t whole = shape.group * size_of(shape.dtype);
  if (shape.bytes % whole != 0)
    throw Unsupported{std::to_string(shape.bytes) + " bytes are not " +
                      std::to_string(shape.group) + " equal blocks of whole " +
                      std::string{to_string(shape.dtype)} + " elements"};
  return shape.bytes / shape.group;
}

Work all_to_all_work(const CollectiveShape& shape) {
  const double bytes = static_cast<double>(shape.bytes);
  return {.flops = {},
          .read = Bytes{bytes},
          .written = Bytes{bytes},
          .sent = Bytes{bytes * (shape.group - 1.0) / shape.group},
          .messages = shape.group - 1};
}

double all_to_all_busbw_factor(int group) { return (group - 1.0) / group; }

void all_to_all_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  const std::int64_t block = all_to_all_block_bytes(shape);
  for (int target = 0; target < shape.group; ++target)
    fill_block(rank, target, send.subspan(target * block, block));
}

double all_to_all_error(const CollectiveShape& shape, int rank,
                        std::span<const std::byte> receive) {
  const std::int64_t block = all_to_all_block_bytes(shape);
  std::vector<std::byte> expected(static_cast<std::size_t>(std::min(block, kBlockPeriod)));
  for (int source = 0; source < shape.group; ++source) {
    fill_block(source, rank, expected);
    if (!first_difference(receive.subspan(source * block, block), expected).empty()) return 1;
  }
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
