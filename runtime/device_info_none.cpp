// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "runtime/device_info.hpp"

namespace moecal {
namespace {
constexpr char kNoCuda[] = "this build of moecal has no CUDA: build the preset cuda or cuda-mpi";
}

CudaDevices find_cuda_devices() { return {{}, "", "", kNoCuda}; }

std::string cuda_runtime_version() { return ""; }

void use_cuda_device(int) { throw Unsupported{kNoCuda}; }

}  // namespace moecal
