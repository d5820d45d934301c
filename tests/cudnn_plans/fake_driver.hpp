// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

extern "C" {
/// What the fake driver was given since it was loaded.
struct FakeKernels {
  int count = 0;
  const char* last = "";  // its name
};
using MoecalFakeKernels = FakeKernels (*)();
}
