// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/open_gpus.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/temporary_folder.hpp"

namespace moecal::cli {
namespace {

std::size_t open_files() {
  const std::filesystem::directory_iterator all{"/proc/self/fd"};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(OpenGpus, HoldsTheFileOfEachGpuAndNoOther) {
  const TemporaryFolder folder;
  for (const char* name : {"nvidia0", "nvidia12", "nvidiactl", "nvidia-uvm", "nvidia", "nvme0"})
    folder.write(name, "");
  const auto before = open_files();
  {
    const OpenGpus gpus{folder.path()};
    EXPECT_EQ(gpus.count(), 2U);
    EXPECT_EQ(open_files(), before + 2);
  }
  EXPECT_EQ(open_files(), before);
}

TEST(OpenGpus, HoldsNothingWhereThereIsNone) {
  const TemporaryFolder folder;
  EXPECT_EQ(OpenGpus{folder.path()}.count(), 0U);
  EXPECT_EQ(OpenGpus{folder.path("nowhere")}.count(), 0U);
}

}  // namespace
}  // namespace moecal::cli
