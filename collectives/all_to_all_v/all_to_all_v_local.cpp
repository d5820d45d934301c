// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "collectives/pattern.hpp"
#include "core/error.hpp"

namespace moecal::collectives {
namespace {

using Block = RoutedExchange::Block;
using Blocks = std::vector<Block>;

void put_end_to_end(Blocks& blocks) {
  std::int64_t at = 0;
  for (auto& block : blocks) {
    block.at = at;
    at += block.bytes;
  }
}

std::vector<std::int64_t> bytes_of_ranks(const std::vector<Blocks>& of_ranks) {
  std::vector<std::int64_t> bytes;
  for (const auto& blocks : of_ranks) bytes.push_back(blocks.back().at + blocks.back().bytes);
  return bytes;
}

std::int64_t largest(const std::vector<Blocks>& of_ranks) {
  return std::ranges::max(bytes_of_ranks(of_ranks));
}

}  // namespace

RoutedExchange draw_exchange(const RoutingShape& shape, const RoutingSpec& spec, int group,
                             std::int64_t row_bytes) {
  if (shape.experts % group != 0)
    throw Unsupported{std::to_string(shape.experts) + " experts are no equal shares of " +
                      std::to_string(group) + " ranks"};
  const RoutingShape whole{group * shape.tokens, shape.experts, shape.top_k};
  const RoutingDraw draw = draw_routing(whole, spec);
  const auto rows = place_rows(draw, expert_capacity(whole, spec.capacity_factor));
  const auto ranks = static_cast<std::size_t>(group);
  RoutedExchange exchange{std::vector<Blocks>(ranks, Blocks(ranks)),
                          std::vector<Blocks>(ranks, Blocks(ranks))};
  const std::int64_t choices = shape.tokens * shape.top_k;  // of one rank
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0) continue;
    const auto source = static_cast<std::int64_t>(i) / choices;
    const auto target = draw.expert_of[i] / (shape.experts / group);
    exchange.sends[source][target].bytes += row_bytes;
    exchange.receives[target][source].bytes += row_bytes;
  }
  for (auto* of_ranks : {&exchange.sends, &exchange.receives})
    std::ranges::for_each(*of_ranks, put_end_to_end);
  return exchange;
}

ExchangedBytes exchanged_bytes(const RoutedExchange& exchange) {
  return {bytes_of_ranks(exchange.sends), bytes_of_ranks(exchange.receives)};
}

CollectiveBuffers all_to_all_v_buffers(const CollectiveShape& shape) {
  return {largest(shape.exchange->sends), largest(shape.exchange->receives)};
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
