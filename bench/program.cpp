// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/program.hpp"

#include "core/error.hpp"

namespace moecal::bench {

int run_program(const std::string& name, const Catalog&, int, char**) {
  throw Error{name + " is not built yet"};
}

}  // namespace moecal::bench
