// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

namespace moecal {

/// {f(0), ..., f(count - 1)}, computed by as many threads as there are cores. The results stand in
/// the order of their indices whichever thread made them, so what is computed from them does not
/// depend on the threads. `f` must be safe to call from several threads.
/// @throws what the call of the lowest failing index threw, after every call has ended.
template <class F>
[[nodiscard]] auto parallel_map(std::size_t count, const F& f) {
  using Result = std::invoke_result_t<const F&, std::size_t>;
  std::vector<std::optional<Result>> slots(count);
  std::vector<std::exception_ptr> errors(count);
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) try {
        slots[i].emplace(f(i));
      } catch (...) {
        errors[i] = std::current_exception();
      }
  };
  {
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < std::min(cores, count); ++i) helpers.emplace_back(work);
    work();
  }
  std::vector<Result> results;
  for (std::size_t i = 0; i < count; ++i) {
    if (errors[i]) std::rethrow_exception(errors[i]);
    results.push_back(std::move(*slots[i]));
  }
  return results;
}

}  // namespace moecal
