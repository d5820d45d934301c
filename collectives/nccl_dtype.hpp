// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/dtype.hpp"

namespace moecal::collectives {

/// The ncclDataType_t of a type, as an int, because no header of ours includes NCCL's.
/// @throws Unsupported for types NCCL does not have.
[[nodiscard]] int nccl_dtype(Dtype dtype);

}  // namespace moecal::collectives
