// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/host_transfer/host_transfer.hpp"

#include <gtest/gtest.h>

#include "core/build.hpp"
#include "runtime/device_info.hpp"

namespace moecal::kernels {
namespace {

TEST(HostTransfer, CountsTheBytesEachWay) {
  EXPECT_EQ(host_transfer_work({100}, {.to_device = true}).sent.value(), 100);
  const auto duplex = host_transfer_work({100}, {.to_device = true, .to_host = true});
  EXPECT_EQ(duplex.sent.value(), 200);
  EXPECT_EQ(duplex.messages, 2);
  EXPECT_EQ(duplex.read.value(), 0) << "the link is what is measured, not the memories";
}

TEST(HostTransfer, OracleCopies) {
  const std::vector<std::byte> from{std::byte{1}, std::byte{2}};
  std::vector<std::byte> to(2);
  host_transfer_cpu(from, to);
  EXPECT_EQ(to, from);
}

TEST(HostTransferOnDevice, LeavesEachPatternAtItsTarget) {
  if (const auto found = find_cuda_devices(); found.devices.empty()) GTEST_SKIP() << found.reason;
  if constexpr (build::has_cuda)
    for (const bool pinned : {true, false})
      for (const bool all : {true, false})
        for (const std::int64_t bytes : {1, 31, 4096, 1'000'003}) {
          const auto copies = make_host_transfer(
              {bytes}, {.to_device = true, .to_host = true, .pinned = pinned, .all_devices = all});
          copies->run(nullptr);
          EXPECT_EQ(copies->targets(), copies->expected());
        }
}

}  // namespace
}  // namespace moecal::kernels
