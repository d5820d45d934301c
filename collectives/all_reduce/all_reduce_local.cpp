// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/pattern.hpp"

namespace moecal::collectives {
std::int64_t all_reduce_elements(const CollectiveShape& shape) {
  static_cast<void>(summand({shape.dtype, shape.group}, 0, 0));
  check_whole_elements(shape.bytes, shape.dtype);
  return shape.elements();
}

CollectiveBuffers all_reduce_buffers(const CollectiveShape& shape) {
  static_cast<void>(all_reduce_elements(shape));
  return {shape.bytes, shape.bytes};
}

Work all_reduce_work(const CollectiveShape& shape) {
  const double bytes = static_cast<double>(shape.bytes);
  const double share = (shape.group - 1.0) / shape.group;
  return {.flops = Flops{share * static_cast<double>(shape.elements())},
          .read = Bytes{bytes},
          .written = Bytes{bytes},
          .sent = Bytes{2 * share * bytes},
          .messages = 2 * (shape.group - 1)};
}

void all_reduce_fill(const CollectiveShape& shape, int rank, std::span<std::byte> send) {
  static_cast<void>(all_reduce_elements(shape));
  fill_summands({shape.dtype, shape.group, shape.index}, rank, send);
}

double all_reduce_error(const CollectiveShape& shape, std::span<const std::byte> receive) {
  return sum_error({shape.dtype, shape.group, shape.index}, receive);
}

void all_reduce_local(const CollectiveShape& shape, std::span<const CollectiveTensors> ranks) {
  std::vector<const std::byte*> sent;
  for (const auto& rank : ranks) sent.push_back(rank.send);
  std::vector<std::byte> sum(static_cast<std::size_t>(shape.bytes));
  add_elements(shape.dtype, sent, sum);
  for (const auto& rank : ranks) std::copy(sum.begin(), sum.end(), rank.receive);
}

}  // namespace moecal::collectives
