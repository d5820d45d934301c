// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// What nccl_one_gpu_test.cpp runs on, which its two programs say by what they link.
namespace moecal::tests {

/// Whether NCCL and CUDA are doubles. They can do everything that the test asks for, so there a
/// refusal is a failure; a real GPU or the NCCL installed may refuse.
[[nodiscard]] bool over_doubles();

}  // namespace moecal::tests
