// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// A library that says of itself what cuDNN's build for CUDA 12 does.
#include <cstddef>

extern "C" {
std::size_t cudnnGetVersion();
std::size_t cudnnGetCudartVersion();

std::size_t cudnnGetVersion() { return 91900; }
std::size_t cudnnGetCudartVersion() { return 12090; }
}
