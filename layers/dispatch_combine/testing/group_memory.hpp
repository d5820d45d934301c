// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstring>
#include <vector>

#include "layers/dispatch_combine/dispatch_combine.hpp"

namespace moecal::layers::testing {

/// The memory of all ranks of a group in one process; what is to be written starts as bytes that no
/// token has.
struct GroupMemory {
  explicit GroupMemory(const DispatchCombinePlan& plan) : plan_{plan} {
    const auto sizes = dispatch_combine_buffers(plan);
    const auto bytes = static_cast<std::size_t>(plan.shape.tokens * plan.shape.row_bytes());
    for (int rank = 0; rank < plan.shape.group; ++rank) {
      tokens.emplace_back(bytes);
      fill_tokens(plan.shape, rank, tokens.back());
      rows.emplace_back(sizes.send, std::byte{0xff});
      received.emplace_back(sizes.receive, std::byte{0xff});
      combined.emplace_back(bytes, std::byte{0xff});
    }
  }
  void set_tokens(int rank, const std::vector<float>& values) {
    std::memcpy(tokens[rank].data(), values.data(), values.size() * sizeof(float));
  }
  [[nodiscard]] DispatchCombineTensors tensors(int rank) {
    return {
        tokens[rank].data(), plan_.ranks[rank].row_of.data(), plan_.ranks[rank].weight_of.data(),
        rows[rank].data(),   received[rank].data(),           combined[rank].data()};
  }
  [[nodiscard]] std::vector<DispatchCombineTensors> tensors() {
    std::vector<DispatchCombineTensors> all;
    for (int rank = 0; rank < plan_.shape.group; ++rank) all.push_back(tensors(rank));
    return all;
  }

  std::vector<std::vector<std::byte>> tokens, rows, received, combined;  // [rank]

 private:
  const DispatchCombinePlan& plan_;
};

}  // namespace moecal::layers::testing
