// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/routed_exchange.hpp"

#include <algorithm>
#include <string>

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

}  // namespace moecal::collectives
