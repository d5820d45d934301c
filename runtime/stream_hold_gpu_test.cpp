// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "runtime/cuda_stream.hpp"
#include "runtime/device_info.hpp"
#include "runtime/event.hpp"
#include "runtime/stream_hold.hpp"

namespace moecal {
namespace {

class StreamHoldOnDevice : public testing::Test {
 protected:
  void SetUp() override {
    const auto found = find_cuda_devices();
    if (found.devices.empty()) GTEST_SKIP() << "needs a CUDA device: " << found.reason;
  }
  [[nodiscard]] Seconds elapsed() const { return std::chrono::steady_clock::now() - start_; }
  void start() { start_ = std::chrono::steady_clock::now(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

TEST_F(StreamHoldOnDevice, KeepsTheStreamUntilItIsReleased) {
  const CudaStream stream;
  StreamHold hold;
  CudaEvent behind;
  for (int time = 0; time < 3; ++time) {
    {
      start();
      const StreamHold::Held held{hold, stream.get()};
      if (elapsed() >= 0.9 * StreamHold::kLongest)
        GTEST_SKIP() << "launches wait for their kernels here, as a tool may make them";
      behind.record(stream.get());
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
      EXPECT_FALSE(behind.happened());
    }
    behind.synchronize();
    EXPECT_FALSE(hold.lapsed());
  }
}

TEST_F(StreamHoldOnDevice, LetsTheStreamGoOnByItselfAndSaysSo) {
  const CudaStream stream;
  StreamHold hold;
  start();
  const StreamHold::Held held{hold, stream.get()};
  stream.synchronize();
  EXPECT_GE(elapsed(), 0.9 * StreamHold::kLongest);
  EXPECT_TRUE(hold.lapsed());
}

}  // namespace
}  // namespace moecal
