// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/every_rank.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "core/error.hpp"

namespace moecal {
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

}  // namespace moecal
