// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "bench/benchmark.hpp"

/// The benchmarks of kernels/ and of the layer made of them, each defined by its x_bench.cpp: a
/// test links those it calls.
namespace moecal::bench {

[[nodiscard]] std::unique_ptr<Benchmark> make_attention();
[[nodiscard]] std::unique_ptr<Benchmark> make_expert_gemm();
[[nodiscard]] std::unique_ptr<Benchmark> make_grouped_gemm();
[[nodiscard]] std::unique_ptr<Benchmark> make_host_adam();
[[nodiscard]] std::unique_ptr<Benchmark> make_host_transfer();
[[nodiscard]] std::unique_ptr<Benchmark> make_launch();
[[nodiscard]] std::unique_ptr<Benchmark> make_memory_copy();
[[nodiscard]] std::unique_ptr<Benchmark> make_memory_stream();
[[nodiscard]] std::unique_ptr<Benchmark> make_moe_layer();
[[nodiscard]] std::unique_ptr<Benchmark> make_permute();
[[nodiscard]] std::unique_ptr<Benchmark> make_quantize();
[[nodiscard]] std::unique_ptr<Benchmark> make_swiglu();
[[nodiscard]] std::unique_ptr<Benchmark> make_topk_gate();
[[nodiscard]] std::unique_ptr<Benchmark> make_unpermute();

}  // namespace moecal::bench
