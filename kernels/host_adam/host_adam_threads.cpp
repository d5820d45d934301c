// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/parallel.hpp"
#include "kernels/host_adam/host_adam.hpp"

namespace moecal::kernels {
namespace {

constexpr std::int64_t kFewestOfAThread = 1 << 14;  // below, starting a thread costs more

HostAdamTensors from(const HostAdamTensors& t, std::int64_t first) {
  return {t.gradient + first, t.parameter + first, t.mean + first, t.variance + first,
          t.rounded + first};
}

}  // namespace

void host_adam_threads(const HostAdamShape& shape, const HostAdamTensors& tensors,
                       const HostAdamStep& step, int threads) {
  const auto most = static_cast<std::size_t>(shape.parameters / kFewestOfAThread);
  const auto parts = threads_for(std::max<std::size_t>(1, most), threads);
  const auto begin = [&](std::size_t part) {
    return static_cast<std::int64_t>(part) * shape.parameters / static_cast<std::int64_t>(parts);
  };
  for_each_index(parts, threads, [&](std::size_t part) {
    const std::int64_t first = begin(part);
    host_adam_cpu({begin(part + 1) - first}, from(tensors, first), step);
  });
}

}  // namespace moecal::kernels
