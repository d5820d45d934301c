// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

namespace moecal {

/// Threads for that many tasks: those asked for, or with 0 one a core; no more than tasks.
inline std::size_t threads_for(std::size_t tasks, int asked) {
  const auto most = asked > 0 ? static_cast<std::size_t>(asked)
                              : std::max<std::size_t>(1, std::thread::hardware_concurrency());
  return std::clamp<std::size_t>(tasks, 1, most);
}

/// Runs task(0) ... task(count - 1) on some threads, in any order: a task writes to its own place
/// only, so the result does not depend on their number. `task` must be safe to call from several
/// threads.
/// @throws what the task of the lowest failing index threw, once every task has ended.
template <typename Task>
void for_each_index(std::size_t count, int threads, const Task& task) {
  std::vector<std::exception_ptr> errors(count);
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) try {
        task(i);
      } catch (...) {
        errors[i] = std::current_exception();
      }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads_for(count, threads); ++i) others.emplace_back(work);
    work();
  }
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

/// Part of a range of rows.
struct RowStretch {
  std::int64_t first = 0, count = 0;
};

/// Runs task(stretch) for stretches of at most `longest` rows that are all of them, on all cores.
/// @throws as for_each_index.
template <typename Task>
void for_each_stretch(std::int64_t rows, std::int64_t longest, const Task& task) {
  for_each_index(static_cast<std::size_t>((rows + longest - 1) / longest), 0, [&](std::size_t i) {
    const std::int64_t first = static_cast<std::int64_t>(i) * longest;
    task(RowStretch{first, std::min(longest, rows - first)});
  });
}

/// {f(0), ..., f(count - 1)}, computed by as many threads as there are cores, in the order of their
/// indices whichever thread made them.
/// @throws as for_each_index.
template <typename F>
[[nodiscard]] auto parallel_map(std::size_t count, const F& f) {
  using Result = std::invoke_result_t<const F&, std::size_t>;
  std::vector<std::optional<Result>> slots(count);
  for_each_index(count, 0, [&](std::size_t i) { slots[i].emplace(f(i)); });
  std::vector<Result> results;
  for (auto& slot : slots) results.push_back(std::move(*slot));
  return results;
}

}  // namespace moecal
