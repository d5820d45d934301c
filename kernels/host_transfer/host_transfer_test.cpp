// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/host_transfer/host_transfer.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "core/error.hpp"
#include "runtime/device_info.hpp"

namespace moecal::bench {
std::unique_ptr<Benchmark> make_host_transfer();
}

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

TEST(TransferPattern, IsTheCopysOwn) {
  constexpr std::int64_t kBytes = 2'500'000;  // more than two periods
  const auto pattern = transfer_pattern(1, kBytes);
  auto whole = pattern.whole();
  ASSERT_EQ(whole.size(), std::size_t{kBytes});
  EXPECT_TRUE(pattern.equals(0, whole));
  EXPECT_FALSE(transfer_pattern(2, kBytes).equals(0, whole));
  whole.back() ^= std::byte{1};
  EXPECT_FALSE(pattern.equals(0, whole));
  EXPECT_FALSE(pattern.equals(0, std::vector<std::byte>(100))) << "cleared memory";
}

TEST(HostTransfer, TakesHostMemoryOfEachWayAndDevice) {
  const HostTransferKind both{.to_device = true, .to_host = true};
  EXPECT_EQ(host_memory_of({100}, both, 4).value(), 200);
  EXPECT_EQ(host_memory_of({100}, {.to_device = true, .all_devices = true}, 4).value(), 400);
}

TEST(HostTransfer, RecordsWhatEachImplementationMoves) {
  const auto devices = static_cast<double>(find_cuda_devices().devices.size());
  const auto benchmark = bench::make_host_transfer();
  bench::Case c;
  c.point = {{"bytes", 100}};
  const auto work = [&](const char* name) { return benchmark->work_by({name, "cuda"}, c); };
  EXPECT_EQ(work("pinned_d2h").sent.value(), 100);
  EXPECT_EQ(work("pinned_duplex").sent.value(), 200);
  EXPECT_EQ(work("pinned_duplex").messages, 2);
  EXPECT_EQ(work("pinned_h2d_all_devices").sent.value(), 100 * devices);
  EXPECT_EQ(host_transfer_work({100}, {.to_device = true, .to_host = true, .all_devices = true}, 8)
                .messages,
            16);
}

TEST(HostTransfer, OfAllDevicesIsSkippedWhereThereIsOne) {
  if (find_cuda_devices().devices.size() > 1) GTEST_SKIP() << "this host has several";
  const auto world = make_single_rank_plane();
  bench::Context context{*world, 0};
  const auto benchmark = bench::make_host_transfer();
  const auto c = benchmark->sweep(bench::Suite::quick, "cuda", 1).front();
  EXPECT_THROW((void)benchmark->make_trial({"pinned_h2d_all_devices", "cuda"}, c, context),
               Unsupported);
  EXPECT_NO_THROW((void)benchmark->make_trial({"pinned_h2d", "cuda"}, c, context));
}

TEST(HostTransfer, PlansCopiesUpToAGigabyteAndMeasuresLargerOnesInFull) {
  const auto largest = [](bench::Suite suite) {
    std::int64_t bytes = 0;
    for (const auto& c : bench::make_host_transfer()->sweep(suite, "cuda", 1))
      bytes = std::max(bytes, c.point.at("bytes"));
    return bytes;
  };
  EXPECT_EQ(largest(bench::Suite::planner), 1'000'000'000);
  EXPECT_EQ(largest(bench::Suite::full), 11'675'698'176);
}

TEST(HostTransferOnDevice, LeavesEachPatternAtItsTarget) {
  if (const auto found = find_cuda_devices(); found.devices.empty()) GTEST_SKIP() << found.reason;
  if constexpr (build::has_cuda)
    for (const bool pinned : {true, false})
      for (const bool all : {true, false})
        for (const std::int64_t bytes : {1, 31, 4096, 1'000'003}) {
          const auto copies = make_host_transfer(
              {bytes}, {.to_device = true, .to_host = true, .pinned = pinned, .all_devices = all});
          EXPECT_FALSE(copies->arrived()) << "nothing was copied yet";
          copies->run(nullptr);
          EXPECT_TRUE(copies->arrived());
        }
}

}  // namespace
}  // namespace moecal::kernels
