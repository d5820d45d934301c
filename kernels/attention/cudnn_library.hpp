// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

/// cuDNN is the host's: it is loaded when it is used, never linked and never bundled.
namespace moecal::kernels {

/// A cuDNN that is loaded; it stays until the process ends.
struct CudnnLibrary {
  void* handle = nullptr;  // of dlopen
  std::string version;     // of the library, e.g. 9.19.0
};

/// @throws Unsupported if it cannot be loaded, with the loader's reason, or is built for another
/// CUDA than moecal; both with what to install.
[[nodiscard]] CudnnLibrary load_cudnn(const std::string& file = "libcudnn.so.9");

/// What cuDNN says, in one line: of a refused graph it tells at length what each engine said and
/// where in cuDNN; what is left are the reasons that are sentences, each once.
[[nodiscard]] std::string cudnn_reason(const std::string& message);

}  // namespace moecal::kernels
