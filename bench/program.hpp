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
/// Joins the ranks of a launch; may take its own arguments off the command line.
using PlaneFactory = std::function<std::unique_ptr<ControlPlane>(int& argc, char**& argv)>;

/// main() of every benchmark program: moecal's options and Google Benchmark's, the catalog's points
/// registered, sampled and recorded. Without `make_plane` the program is one rank. Returns the exit
/// status: 0 done, 1 a point or the run failed, 2 the input is wrong, 3 every
/// point was skipped, 4 the device is lost, 130 interrupted.
int run_program(const std::string& name, const Catalog& catalog, int argc, char** argv,
                const PlaneFactory& make_plane = {});

}  // namespace moecal::bench
