// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "bench/benchmark.hpp"

/// The benchmarks of collectives/ and of the layers that exchange, each defined by its x_bench.cpp:
/// a test links those it calls.
namespace moecal::bench {

[[nodiscard]] std::unique_ptr<Benchmark> make_all_gather();
[[nodiscard]] std::unique_ptr<Benchmark> make_all_reduce();
[[nodiscard]] std::unique_ptr<Benchmark> make_all_to_all();
[[nodiscard]] std::unique_ptr<Benchmark> make_all_to_all_v();
[[nodiscard]] std::unique_ptr<Benchmark> make_broadcast();
[[nodiscard]] std::unique_ptr<Benchmark> make_dispatch_combine();
[[nodiscard]] std::unique_ptr<Benchmark> make_overlap();
[[nodiscard]] std::unique_ptr<Benchmark> make_reduce_scatter();
[[nodiscard]] std::unique_ptr<Benchmark> make_send_recv();

}  // namespace moecal::bench
