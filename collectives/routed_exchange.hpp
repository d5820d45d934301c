// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include "core/exchanged_bytes.hpp"
#include "core/routing.hpp"

namespace moecal::collectives {

/// Who sends how much to whom, from one draw of all the group's tokens: rank r's are tokens r T to
/// (r+1) T - 1 of it, T being those of one rank. So rank 0's counts are those of permute's draw for
/// T tokens, and all ranks' counts together those of its draw for n T tokens.
struct RoutedExchange {
  struct Block {
    std::int64_t bytes = 0;
    std::int64_t at = 0;  // in the rank's buffer
  };
  std::vector<std::vector<Block>> sends;     // [rank][target]
  std::vector<std::vector<Block>> receives;  // [rank][source]
};

/// `shape`: tokens of one rank, experts of all. Rows beyond the experts' capacity, which is that of
/// the whole draw, stay behind.
/// @throws Unsupported if the experts are no equal shares of `group` ranks.
[[nodiscard]] RoutedExchange draw_exchange(const RoutingShape& shape, const RoutingSpec& spec,
                                           int group, std::int64_t row_bytes);

/// What each rank sends and receives in all.
[[nodiscard]] ExchangedBytes exchanged_bytes(const RoutedExchange& exchange);

}  // namespace moecal::collectives
