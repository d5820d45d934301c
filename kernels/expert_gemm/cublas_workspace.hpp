// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>

namespace moecal::kernels {

/// What NVIDIA recommends on Hopper for cuBLAS and cuBLASLt; split-K algorithms need some.
inline constexpr std::size_t kCublasWorkspaceBytes = std::size_t{32} << 20;

}  // namespace moecal::kernels
