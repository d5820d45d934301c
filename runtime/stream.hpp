// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// CUDA's own stream type, declared so that no header of moecal needs CUDA's.
struct CUstream_st;

namespace moecal {

/// A CUDA stream, not owned; nullptr on the CPU, where a launch returns when the work is done.
using Stream = CUstream_st*;

}  // namespace moecal
