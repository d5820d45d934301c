// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/dtype.hpp"
#include "tests/recording_cublaslt/recording_cublaslt.hpp"

/// The product that a recorded call asks for, computed from the record and NVIDIA's description of
/// cublasLtMatmul alone.
namespace moecal::tests {

/// @throws std::runtime_error for a type that the fake does not know.
[[nodiscard]] Dtype dtype_of(cudaDataType_t type);

/// NOT_SUPPORTED for layouts and scale modes that cuBLASLt does not combine on a device of the
/// fake's compute capability; INVALID_VALUE for matrices or scales that do not fit, are not aligned
/// or lie outside their buffers.
[[nodiscard]] cublasStatus_t compute_as_told(const RecordedMatmul& call);

}  // namespace moecal::tests
