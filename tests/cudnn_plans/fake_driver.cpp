// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/cudnn_plans/fake_driver.hpp"

#include <array>
#include <cstring>

// A CUDA driver without a device, under the driver's own name: it takes the code that cuDNN has
// compiled, and remembers what its kernels are called. All else of the driver (names.inc, which the
// build writes) answers that this is a stub; cuDNN asks for most of it and calls little.
namespace {

constexpr int kSuccess = 0, kStub = 34;
std::array<char, 512> last_kernel{};
int kernels = 0;
int object = 0;  // what every handle points to

}  // namespace

extern "C" {

FakeKernels moecal_fake_kernels() { return {kernels, last_kernel.data()}; }

int cuLibraryLoadData(void** library, const void*, void*, void*, unsigned, void*, void*, unsigned) {
  *library = &object;
  return kSuccess;
}
int cuLibraryUnload(void*) { return kSuccess; }
int cuLibraryGetKernel(void** kernel, void*, const char* name) {
  std::strncpy(last_kernel.data(), name, last_kernel.size() - 1);
  ++kernels;
  *kernel = &object;
  return kSuccess;
}

#define MOECAL_STUB(name) \
  int name() { return kStub; }
#include "tests/cudnn_plans/names.inc"
}
