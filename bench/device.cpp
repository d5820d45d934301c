// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/device.hpp"

#include "bench/planned_point.hpp"
#include "core/error.hpp"

namespace moecal::bench {

Machine choose_machine(const std::string& choice, ControlPlane&) {
  if (choice == "cuda") throw InvalidInput{"--device cuda: this build cannot measure CUDA devices"};
  return read_cpu();
}

std::unique_ptr<Clock> make_clock(const Implementation& implementation) {
  if (is_cuda(implementation)) throw Unsupported{"this build has no clock for CUDA devices"};
  return make_steady_clock();
}

}  // namespace moecal::bench
