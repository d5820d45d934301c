// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <vector>

#include "tests/cuda_on_cpu/include/vector_types.h"

/// Runs the threads of a CUDA grid on the CPU, one block after the other, each thread on a fiber.
/// Its purpose is to find errors, not to be fast: what CUDA leaves undefined is an Error here.
namespace moecal::cuda_on_cpu {

/// A kernel broke a rule of the CUDA programming model; the message names the block, the threads
/// and the source lines.
struct Error : std::logic_error {
  using std::logic_error::logic_error;
};

struct Geometry {
  dim3 grid;
  dim3 block;
  std::size_t dynamic_shared_bytes = 0;
};

/// Runs `kernel` once for every thread of the grid. The threads of every second block are taken up
/// in descending order: a kernel that lacks a barrier can be right by luck in one order, not in
/// both.
/// @throws Error
void run_grid(const Geometry& geometry, const std::function<void()>& kernel);

inline constexpr int kWarpSize = 32;
using WarpValues = std::array<std::uint64_t, kWarpSize>;

/// One lane's part of a warp operation (a shuffle, a vote): what it brings, and how its result
/// follows from what all lanes in the mask brought.
struct WarpRequest {
  const char* operation = "";
  unsigned mask = 0;
  std::uint64_t value = 0;
  int source_lane = 0;  // of a shuffle
  std::uint64_t (*resolve)(const WarpRequest& own, const WarpValues& values) = nullptr;
  std::source_location where;
};

/// What the running kernel thread may ask for. Called on its fiber only.
[[nodiscard]] std::uint64_t exchange_in_warp(const WarpRequest& request);
void wait_for_block(std::source_location where);
[[nodiscard]] void* dynamic_shared_memory();
[[nodiscard]] int lane_of_thread();
/// What it has begun to copy and not waited for. It may not end before it waited.
struct BegunCopy {
  void* to;
  const void* from;
};
[[nodiscard]] std::vector<BegunCopy>& copies_of_thread();

}  // namespace moecal::cuda_on_cpu
