// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/open_gpus.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace moecal::cli {
namespace {

// nvidia0, nvidia1, ...: not nvidiactl, nvidia-uvm or nvidia-modeset.
bool is_of_gpu(const std::string& name) {
  const std::string prefix = "nvidia";
  return name.size() > prefix.size() && name.rfind(prefix, 0) == 0 &&
         std::all_of(name.begin() + static_cast<std::ptrdiff_t>(prefix.size()), name.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace

// Not blocking: a driver that can starts several GPUs beside one another, and beside what follows.
OpenGpus::OpenGpus(const std::string& folder) {
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator{folder, missing}) {
    if (!is_of_gpu(entry.path().filename().string())) continue;
    const int descriptor = open(entry.path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor >= 0) descriptors_.push_back(descriptor);
  }
}

OpenGpus::~OpenGpus() {
  for (const int descriptor : descriptors_) close(descriptor);
}

}  // namespace moecal::cli
