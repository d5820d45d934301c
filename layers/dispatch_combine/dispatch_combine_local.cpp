// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>
#include <string>

#include "core/element.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "layers/dispatch_combine/dispatch_combine_steps.hpp"

namespace moecal::layers {
namespace {

using collectives::RoutedExchange;

/// The rows of a rank's choices among those it sends: in the order of the whole draw's rows, which
/// is by expert, then by token.
std::vector<std::int32_t> own_rows(std::span<const std::int32_t> rows_of_draw) {
  std::vector<std::int32_t> order(rows_of_draw.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::int32_t choice) { return rows_of_draw[choice]; });
  std::vector<std::int32_t> rows(rows_of_draw.size(), -1);
  std::int32_t next = 0;
  for (const std::int32_t choice : order)
    if (rows_of_draw[choice] >= 0) rows[choice] = next++;
  return rows;
}

std::vector<RankRouting> rank_routings(const DispatchCombineShape& shape, const RoutingSpec& spec) {
  const RoutingShape whole{shape.group * shape.tokens, shape.experts, shape.top_k};
  const RoutingDraw draw = draw_routing(whole, spec);
  const auto rows = place_rows(draw, expert_capacity(whole, spec.capacity_factor));
  const auto choices = shape.tokens * shape.top_k;
  std::vector<RankRouting> ranks;
  for (int rank = 0; rank < shape.group; ++rank) {
    const auto first = draw.weight_of.begin() + rank * choices;
    ranks.push_back(
        {own_rows(std::span{rows}.subspan(rank * choices, choices)), {first, first + choices}});
  }
  return ranks;
}

/// A sequence of elements without a short period; a token's row is a stretch of it.
class TokenPattern {
 public:
  explicit TokenPattern(const DispatchCombineShape& shape) : shape_{shape} {
    const std::int64_t size = size_of(shape.dtype);
    bytes_.resize(static_cast<std::size_t>((kStarts + shape.hidden) * size));
    for (std::int64_t i = 0; i < kStarts + shape.hidden; ++i)
      encode_element(shape.dtype, (static_cast<double>(mix(i) % 251) - 125) / 64,
                     &bytes_[i * size]);
  }
  [[nodiscard]] std::span<const std::byte> row(int rank, std::int64_t token) const {
    const std::int64_t start = (rank * 1009 + token * 31) % kStarts;
    return std::span{bytes_}.subspan(start * size_of(shape_.dtype), shape_.row_bytes());
  }

 private:
  static constexpr std::int64_t kStarts = 4099;  // a prime: 31 steps through all of them
  DispatchCombineShape shape_;
  std::vector<std::byte> bytes_;
};

}  // namespace

std::string_view to_string(Step step) {
  static constexpr std::array<std::string_view, 4> kNames{"permute", "dispatch", "combine",
                                                          "unpermute"};
  return kNames.at(static_cast<std::size_t>(step));
}

collectives::CollectiveShape DispatchCombinePlan::exchange(Step step) const {
  return {.bytes = shape.tokens * shape.top_k * shape.row_bytes(),
          .dtype = shape.dtype,
          .group = shape.group,
          .exchange = step == Step::dispatch ? &dispatch : &combine};
}

DispatchCombinePlan plan_dispatch_combine(const DispatchCombineShape& shape,
                                          const RoutingSpec& spec) {
  kernels::check_shape(
      kernels::UnpermuteShape{shape.tokens, shape.hidden, shape.top_k, shape.dtype});
  DispatchCombinePlan plan{shape, {}, {}, rank_routings(shape, spec)};
  plan.dispatch = collectives::draw_exchange({shape.tokens, shape.experts, shape.top_k}, spec,
                                             shape.group, shape.row_bytes());
  plan.combine = {plan.dispatch.receives, plan.dispatch.sends};
  return plan;
}

collectives::CollectiveBuffers dispatch_combine_buffers(const DispatchCombinePlan& plan) {
  return all_to_all_v_buffers(plan.exchange(Step::dispatch));
}

Work dispatch_combine_work(const DispatchCombineShape& shape) {
  const auto& [tokens, hidden, experts, top_k, group, dtype] = shape;
  const Work sorted = permute_work(kernels::PermuteShape{tokens, hidden, top_k, dtype});
  const Work added = unpermute_work(kernels::UnpermuteShape{tokens, hidden, top_k, dtype});
  const Work moved = collectives::all_to_all_v_work(
      {.bytes = tokens * top_k * shape.row_bytes(), .dtype = dtype, .group = group});
  return {.flops = added.flops,
          .read = sorted.read + added.read + 2 * moved.read,
          .written = sorted.written + added.written + 2 * moved.written,
          .sent = 2 * moved.sent,
          .messages = 2 * moved.messages};
}

void fill_tokens(const DispatchCombineShape& shape, int rank, std::span<std::byte> tokens) {
  const TokenPattern pattern{shape};
  for (std::int64_t token = 0; token < shape.tokens; ++token)
    std::ranges::copy(pattern.row(rank, token), tokens.begin() + token * shape.row_bytes());
}

double received_error(const DispatchCombinePlan& plan, int rank,
                      std::span<const std::byte> received) {
  const std::int64_t row_bytes = plan.shape.row_bytes();
  const TokenPattern pattern{plan.shape};
  for (int source = 0; source < plan.shape.group; ++source) {
    const auto& sent = plan.dispatch.sends[source][rank];
    const std::int64_t at = plan.dispatch.receives[rank][source].at;
    const auto& row_of = plan.ranks[source].row_of;
    for (std::size_t choice = 0; choice < row_of.size(); ++choice) {
      const std::int64_t offset = row_of[choice] * row_bytes - sent.at;
      if (row_of[choice] < 0 || offset < 0 || offset >= sent.bytes) continue;
      const auto token = static_cast<std::int64_t>(choice) / plan.shape.top_k;
      if (!std::ranges::equal(pattern.row(source, token), received.subspan(at + offset, row_bytes)))
        return 1;
    }
  }
  return 0;
}

void weighted_tokens(const DispatchCombinePlan& plan, int rank, std::span<std::byte> combined) {
  const auto& [tokens, hidden, experts, top_k, group, dtype] = plan.shape;
  const auto& [row_of, weight_of] = plan.ranks[rank];
  const TokenPattern pattern{plan.shape};
  const std::int64_t size = size_of(dtype);
  for (std::int64_t token = 0; token < tokens; ++token)
    for (std::int64_t column = 0; column < hidden; ++column) {
      const std::byte* element = &pattern.row(rank, token)[column * size];
      const auto value = static_cast<float>(decode_element(dtype, element));
      float sum = 0;
      for (std::int64_t choice = token * top_k; choice < (token + 1) * top_k; ++choice)
        if (row_of[choice] >= 0) sum += weight_of[choice] * value;
      encode_element(dtype, sum, &combined[(token * hidden + column) * size]);
    }
}

void dispatch_combine_local(const DispatchCombinePlan& plan,
                            std::span<const DispatchCombineTensors> ranks) {
  const auto each = [&](Step step) {
    const StepCalls calls{kernels::permute_cpu, [](const auto&, const auto&) {},
                          kernels::unpermute_cpu};
    for (const auto& tensors : ranks) calls.run(plan, step, tensors);
  };
  const auto together = [&](Step step) {
    std::vector<collectives::CollectiveTensors> all;
    for (const auto& t : ranks)
      all.push_back(step == Step::dispatch ? collectives::CollectiveTensors{t.rows, t.received}
                                           : collectives::CollectiveTensors{t.received, t.rows});
    all_to_all_v_local(plan.exchange(step), all);
  };
  each(Step::permute);
  together(Step::dispatch);
  together(Step::combine);
  each(Step::unpermute);
}

}  // namespace moecal::layers
