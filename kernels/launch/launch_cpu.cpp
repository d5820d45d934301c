// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "kernels/launch/launch.hpp"

namespace moecal::kernels {

Work launch_work(const LaunchShape&) { return {}; }

std::int64_t launch_cpu(const LaunchShape& shape) {
  std::int64_t ran = 0;
  for (std::int64_t i = 0; i < shape.launches; ++i) std::thread{[&ran] { ++ran; }}.join();
  return ran;
}

}  // namespace moecal::kernels
