// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl_dtype.hpp"

#include <nccl.h>

#include <string>

#include "core/error.hpp"

namespace moecal::collectives {

namespace {

// From NCCL 2.24 on; older headers have no names for them.
constexpr int kFloat8e4m3 = 10;
constexpr int kFloat8e5m2 = 11;

}  // namespace

int nccl_dtype(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return ncclFloat32;
    case Dtype::f16:
      return ncclFloat16;
    case Dtype::bf16:
      return ncclBfloat16;
    case Dtype::fp8_e4m3:
      return kFloat8e4m3;
    case Dtype::fp8_e5m2:
      return kFloat8e5m2;
    case Dtype::int8:
      return ncclInt8;
    case Dtype::int32:
      return ncclInt32;
    case Dtype::uint8:
      return ncclUint8;
  }
  throw Unsupported{"NCCL has no type " + std::string{to_string(dtype)}};
}

}  // namespace moecal::collectives
