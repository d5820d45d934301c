// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/agreement.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/statistics.hpp"

namespace moecal::bench {
namespace {

struct Report {
  double severity = 0;  // 0 went well, 1 Unsupported, 2 InvalidInput, 3 any other failure
  std::string reason;
};

Report run_and_report(const std::function<void()>& phase) {
  try {
    phase();
    return {};
  } catch (const RankLost&) {
    throw;  // there is nobody to agree with
  } catch (const Unsupported& error) {
    return {1, error.what()};
  } catch (const InvalidInput& error) {
    return {2, error.what()};
  } catch (const std::exception& error) {
    return {3, error.what()};
  }
}

std::string reason_of(ControlPlane& world, int rank, const std::string& own) {
  std::array<char, 1024> text{};
  const auto length = std::min(own.size(), text.size() - 1);
  std::copy_n(own.begin(), length, text.begin());
  world.broadcast(text, rank);
  return text.data();
}

}  // namespace

void on_every_rank(ControlPlane& world, const std::function<void()>& phase) {
  const Report own = run_and_report(phase);
  world.wait_for_all();  // filling and checking large buffers takes as long as it takes
  const double worst = world.max(own.severity);
  if (worst == 0) return;
  const int lowest = static_cast<int>(
      world.min(own.severity == worst ? world.rank() : static_cast<double>(world.size())));
  std::string reason = reason_of(world, lowest, own.reason);
  if (world.size() > 1) reason = "rank " + std::to_string(lowest) + ": " + reason;
  if (worst == 1) throw Unsupported{reason};
  if (worst == 2) throw InvalidInput{reason};
  throw Error{reason};
}

Seconds agreement_time(ControlPlane& world) {
  if (world.size() == 1) return Seconds{0};
  std::vector<double> times;
  for (int i = 0; i < 9; ++i) {
    const auto start = std::chrono::steady_clock::now();
    world.barrier();
    times.push_back(Seconds{std::chrono::steady_clock::now() - start}.count());
  }
  return Seconds{world.max(median(times))};
}

void or_end_launch(ControlPlane& world, const std::function<void()>& phase) {
  try {
    phase();
  } catch (const RankLost&) {
    throw;
  } catch (const std::exception& error) {
    if (world.size() == 1) throw;
    world.abort(1, std::string{"failed while all ranks measure: "} + error.what());
  }
}

}  // namespace moecal::bench
