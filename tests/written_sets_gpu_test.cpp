// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_info.hpp"
#include "tests/written_sets.hpp"

namespace moecal::bench {
namespace {

TEST(WrittenSets, AreToldApartInEveryOperationThatIsMeasuredCold) {
  const auto found = find_cuda_devices();
  if (found.devices.empty()) GTEST_SKIP() << "needs a CUDA device: " << found.reason;
  check_every_operation("cuda");
}

}  // namespace
}  // namespace moecal::bench
