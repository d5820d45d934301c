// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/benchmark.hpp"

namespace moecal::bench {

using Catalog = std::vector<std::function<std::unique_ptr<Benchmark>()>>;

/// main() of every benchmark program: moecal's options and Google Benchmark's, the catalog's points
/// registered, sampled and recorded. Returns the exit status.
int run_program(const std::string& name, const Catalog& catalog, int argc, char** argv);

}  // namespace moecal::bench
