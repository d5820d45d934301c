// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <initializer_list>
#include <vector>

#include "collectives/collective.hpp"

namespace moecal::testing {

[[nodiscard]] inline std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> result;
  for (const int value : values) result.push_back(static_cast<std::byte>(value));
  return result;
}

/// The buffers of all ranks of a group in one process; what is received starts as a value that no
/// pattern fills a buffer with.
struct LocalRanks {
  /// `bytes` to send and to receive on every rank.
  explicit LocalRanks(const collectives::CollectiveShape& shape)
      : LocalRanks{shape.group, {shape.bytes, shape.bytes}} {}
  LocalRanks(int group, const collectives::CollectiveBuffers& buffers)
      : send(static_cast<std::size_t>(group),
             std::vector<std::byte>(static_cast<std::size_t>(buffers.send))),
        receive(
            static_cast<std::size_t>(group),
            std::vector<std::byte>(static_cast<std::size_t>(buffers.receive), std::byte{0xff})) {}

  [[nodiscard]] std::vector<collectives::CollectiveTensors> tensors() {
    std::vector<collectives::CollectiveTensors> all;
    for (std::size_t rank = 0; rank < send.size(); ++rank)
      all.push_back({send[rank].data(), receive[rank].data()});
    return all;
  }

  std::vector<std::vector<std::byte>> send;
  std::vector<std::vector<std::byte>> receive;
};

}  // namespace moecal::testing
