// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/every_rank.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "core/error.hpp"

namespace moecal {
namespace {

constexpr std::size_t kLongestReason = 4'095;  // characters; the rest is cut off

struct Report {
  double severity = 0;  // 0 went well, 1 Unsupported, 2 InvalidInput, 3 any other failure
  std::string reason;
};

std::string cut(const char* reason) { return std::string{reason}.substr(0, kLongestReason); }

Report run_and_report(const std::function<void()>& phase) {
  try {
    phase();
    return {};
  } catch (const RankLost&) {
    throw;  // there is nobody to agree with
  } catch (const Unsupported& error) {
    return {1, cut(error.what())};
  } catch (const InvalidInput& error) {
    return {2, cut(error.what())};
  } catch (const std::exception& error) {
    return {3, cut(error.what())};
  }
}

std::string reason_of(ControlPlane& world, int rank, const std::string& own) {
  std::array<char, kLongestReason + 1> text{};
  if (world.rank() == rank) std::ranges::copy(own, text.begin());
  world.broadcast(text, rank);
  return text.data();
}

/// What ranks that wait for one another say of the same failure differs in their numbers alone.
std::string without_numbers(std::string reason) {
  std::erase_if(reason, [](char c) { return c >= '0' && c <= '9'; });
  return reason;
}

/// What the failed ranks say, the lowest first, and each thing once: who waited for the rank that
/// broke down fails too, and only that rank knows why.
std::string reasons_of_all(ControlPlane& world, bool failed, const std::string& own) {
  std::set<std::string> told;
  for (std::string all;;) {
    const bool untold = failed && !told.contains(without_numbers(own));
    const int next = static_cast<int>(world.min(untold ? world.rank() : world.size()));
    if (next == world.size()) return all;
    const std::string reason = reason_of(world, next, own);
    told.insert(without_numbers(reason));
    // What all agree on already, as after such a call inside this one, is not one rank's.
    const bool everyones = world.min(failed && own == reason ? 1.0 : 0.0) > 0;
    if (!all.empty()) all += "; ";
    all += (everyones ? "" : "rank " + std::to_string(next) + ": ") + reason;
  }
}

}  // namespace

void on_every_rank(ControlPlane& world, const std::function<void()>& phase) {
  const Report own = run_and_report(phase);
  world.wait_for_all();  // filling and checking large buffers takes as long as it takes
  const double worst = world.max(own.severity);
  if (worst == 0) return;
  const std::string reason = reasons_of_all(world, own.severity == worst, own.reason);
  if (worst == 1) throw Unsupported{reason};
  if (worst == 2) throw InvalidInput{reason};
  throw Error{reason};
}

}  // namespace moecal
