// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/limits.hpp"

#include <sstream>

#include "core/error.hpp"

namespace moecal::bench {
namespace {

std::string gib(Bytes bytes) {
  std::ostringstream text;
  text.precision(3);
  text << bytes.value() / (1 << 30) << " GiB";
  return text.str();
}

}  // namespace

void check_memory(Bytes needed, Bytes memory) {
  if (needed.value() > 0.5 * memory.value())
    throw Unsupported{"its buffers take " + gib(needed) + ", over half of the memory (" +
                      gib(memory) + ")"};
}

}  // namespace moecal::bench
