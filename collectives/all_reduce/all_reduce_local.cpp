// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/pattern.hpp"
#include "core/element.hpp"

namespace moecal::collectives {

Work all_reduce_work(const CollectiveShape& shape) {
  const double bytes = static_cast<double>(shape.bytes);
  const double share = (shape.group - 1.0) / shape.group;
  return {.flops = Flops{share * static_cast<double>(shape.elements())},
          .read = Bytes{bytes},
          .written = Bytes{bytes},
          .sent = Bytes{2 * share * bytes},
          .messages = 2 * (shape.group - 1)};
}

double all_reduce_busbw_factor(int group) { return 2 * (group - 1.0) / group; }

void all_reduce_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  const std::int64_t size = size_of(shape.dtype);
  for (std::int64_t i = 0; i < shape.elements(); ++i)
    encode_element(shape.dtype, summand(shape.dtype, shape.group, rank, i), &send[i * size]);
}

double all_reduce_error(const CollectiveShape& shape, std::span<const std::byte> receive) {
  const std::int64_t size = size_of(shape.dtype);
  double worst = 0;
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    double sum = 0;
    for (int rank = 0; rank < shape.group; ++rank)
      sum += summand(shape.dtype, shape.group, rank, i);
    const double got = decode_element(shape.dtype, &receive[i * size]);
    const double error = std::abs(got - sum) / std::max(1.0, sum);
    if (!(error <= worst)) worst = error;  // also what is not a number
  }
  return worst;
}

void all_reduce_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks) {
  const std::int64_t size = size_of(shape.dtype);
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    double sum = 0;
    for (const auto& rank : ranks) sum += decode_element(shape.dtype, rank.send + i * size);
    for (const auto& rank : ranks) encode_element(shape.dtype, sum, rank.receive + i * size);
  }
}

}  // namespace moecal::collectives
