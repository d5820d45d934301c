// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/memory_copy/memory_copy_buffers.hpp"
#include "tests/fakes/fake_cuda_runtime.hpp"

// On a CUDA runtime without a device.
namespace moecal::kernels {
namespace {

TEST(MemoryCopyDeviceBuffers, HoldNoCopyBeforeALaunch) {
  const MemoryCopyShape shape{1000};
  const auto pattern = memory_copy_pattern(shape);
  tests::fake_cuda().left_behind = pattern.whole();  // of a point before
  const auto buffers = make_memory_copy_device_buffers(shape, 2);
  for (const int set : {0, 1}) {
    EXPECT_FALSE(buffers->target_holds(set, pattern));
    const auto tensors = buffers->tensors(set);
    std::memcpy(tensors.target, tensors.source, 1000);  // device memory is the host's here
    EXPECT_TRUE(buffers->target_holds(set, pattern));
  }
  EXPECT_FALSE(tests::fake_cuda().copy_under_way);
}

}  // namespace
}  // namespace moecal::kernels
