// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/cudnn_library.hpp"

#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "core/error.hpp"
#include "core/join.hpp"

namespace moecal::kernels {
namespace {

/// As cudnnGetVersion gives it since version 9.
std::string version_text(std::size_t number) {
  return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." +
         std::to_string(number % 100);
}

/// As cudnnGetCudartVersion and CUDART_VERSION give it.
std::string cuda_version_text(std::size_t number) {
  return std::to_string(number / 1000) + "." + std::to_string(number / 10 % 100);
}

using Version = std::size_t (*)();

/// cuDNN's builds for CUDA 12 and 13 have one file name. @throws Unsupported
void check_cuda_of(Version built_with, const std::string& version) {
  constexpr std::size_t kCuda = CUDART_VERSION;
  if (built_with == nullptr || built_with() / 1000 == kCuda / 1000) return;
  const auto wanted = std::to_string(kCuda / 1000);
  throw Unsupported{"the cuDNN " + version + " found is built for CUDA " +
                    cuda_version_text(built_with()) + ", and moecal for " +
                    cuda_version_text(kCuda) + ": install cuDNN 9 for CUDA " + wanted +
                    ", from NVIDIA's packages or as the Python package nvidia-cudnn-cu" + wanted +
                    ", and name its folder first in LD_LIBRARY_PATH"};
}

std::string loader_error() {
  const char* error = dlerror();
  return error == nullptr ? "the loader does not say why" : error;
}

}  // namespace

CudnnLibrary load_cudnn(const std::string& file) {
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr)
    throw Unsupported{
        "cuDNN 9 cannot be loaded (" + loader_error() +
        "): install it, from NVIDIA's packages or as the Python package nvidia-cudnn-cu13, and name"
        " its folder in LD_LIBRARY_PATH"};
  const auto version = reinterpret_cast<Version>(dlsym(handle, "cudnnGetVersion"));
  if (version == nullptr)
    throw Unsupported{file + " is no cuDNN: it has no cudnnGetVersion (" + loader_error() + ")"};
  CudnnLibrary library{handle, version_text(version())};
  check_cuda_of(reinterpret_cast<Version>(dlsym(handle, "cudnnGetCudartVersion")), library.version);
  return library;
}

std::string cudnn_reason(const std::string& message) {
  static constexpr char kReason[] = "Reason: ";
  std::vector<std::string> reasons;
  std::istringstream lines{message};
  for (std::string line; std::getline(lines, line);) {
    const auto start = line.find(kReason), end = line.find(" at: ");
    if (start == std::string::npos || end == std::string::npos || end < start) continue;
    const auto from = start + sizeof kReason - 1;
    auto reason = line.substr(from, end - from);
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end())
      reasons.push_back(std::move(reason));
  }
  if (reasons.empty()) return message.substr(0, message.find('\n'));
  return join(reasons, "; ");
}

}  // namespace moecal::kernels
