// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <vector>

#include "collectives/collective.hpp"

namespace moecal::testing {

/// The buffers of all ranks of a group in one process; what is received starts as a value that no
/// pattern fills a buffer with.
struct LocalRanks {
  explicit LocalRanks(const collectives::CollectiveShape& shape)
      : send(static_cast<std::size_t>(shape.group),
             std::vector<std::byte>(static_cast<std::size_t>(shape.bytes))),
        receive(static_cast<std::size_t>(shape.group),
                std::vector<std::byte>(static_cast<std::size_t>(shape.bytes), std::byte{0xff})) {}

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
