// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stands in for kernels/sign_masks.cuh where a .cu file is compiled by g++.
namespace moecal::kernels {

inline unsigned sign_masks(unsigned halves) {
  return ((halves & 0x80000000U) != 0 ? 0xffff0000U : 0) | ((halves & 0x8000U) != 0 ? 0xffffU : 0);
}

}  // namespace moecal::kernels
