// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

namespace moecal::cli {

/// Keeps the GPUs of this machine initialised while it lives, by holding their device files open:
/// the driver lets go of a GPU when its last client ends, and takes seconds to start it again for
/// the next program. Where there are none, or they may not be opened, it holds nothing.
class OpenGpus {
 public:
  explicit OpenGpus(const std::string& folder = "/dev");
  ~OpenGpus();
  OpenGpus(const OpenGpus&) = delete;
  OpenGpus& operator=(const OpenGpus&) = delete;

  [[nodiscard]] std::size_t count() const { return descriptors_.size(); }

 private:
  std::vector<int> descriptors_;
};

}  // namespace moecal::cli
