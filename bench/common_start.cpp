// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/common_start.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

#include "core/hash.hpp"
#include "runtime/hosts.hpp"

namespace moecal::bench {
namespace {

using std::chrono::steady_clock;

constexpr int kRounds = 10;
constexpr double kLongestMargin = 2e-3;  // ranks that outnumber the cores hear of it this late
constexpr double kAwake = 100e-6;        // a sleeping thread may wake up this late

double steady_now() {
  return std::chrono::duration<double>(steady_clock::now().time_since_epoch()).count();
}

// Yields instead of sleeping for the last part, and instead of spinning: ranks may outnumber cores.
void steady_wait_until(double moment) {
  const double sleep = moment - kAwake - steady_now();
  if (sleep > 0) std::this_thread::sleep_for(std::chrono::duration<double>(sleep));
  while (steady_now() < moment) std::this_thread::yield();
}

// Processes of one running kernel read one monotonic clock, in whatever container they are.
std::string kernel_name() {
  std::ifstream file{"/proc/sys/kernel/random/boot_id"};
  std::string id;
  file >> id;
  return id.empty() ? host_name() : id;
}

}  // namespace

HostTime steady_host_time() { return {steady_now, steady_wait_until, kernel_name()}; }

CommonStart::CommonStart(ControlPlane& world, HostTime time)
    : world_{world}, time_{std::move(time)} {
  // One message tells everybody whether all clocks have one name, and who has rank 0's.
  const auto own = static_cast<double>(hash_of(time_.clock) >> 12);  // exact in a double
  std::array<double, 3> told{own, -own, world_.rank() == 0 ? own : -1};
  world_.max(told);
  if (told[0] == -told[1]) return;
  bound_offset();
  if (own != told[2]) return;
  offset_ = 0;
  uncertainty_ = Seconds{0};
}

// Rank 0 reads its clock after every rank read its own, and every rank reads its own again after it
// heard from rank 0: the offset lies between the two differences, in every round.
void CommonStart::bound_offset() {
  double least = -std::numeric_limits<double>::infinity();
  double most = -least;
  for (int round = 0; round < kRounds; ++round) {
    world_.barrier();
    const double before = time_.now();
    world_.barrier();
    const double there = from_rank_0(time_.now());
    most = std::min(most, time_.now() - there);
    least = std::max(least, before - there);
  }
  offset_ = (least + most) / 2;
  uncertainty_ = Seconds{std::abs(most - least) / 2};
}

double CommonStart::from_rank_0(double value) {
  world_.broadcast({reinterpret_cast<char*>(&value), sizeof value}, 0);
  return value;
}

// One message: what is told, how late the last moment was heard of, whether there is a next, and
// when.
bool CommonStart::wait(bool wanted, std::span<double> told) {
  const double before = time_.now();
  message_.assign(told.begin(), told.end());
  message_.push_back(late_);
  message_.push_back(world_.rank() == 0 && wanted ? 1 : 0);
  // By rank 0's clock; the last to come has the latest, so that it lies ahead for all.
  message_.push_back(before - offset_ + margin_);
  world_.max(message_);
  exchanged_ = Seconds{time_.now() - before};
  std::copy_n(message_.begin(), told.size(), told.begin());
  if (message_[told.size()] > 0) margin_ = std::min(2 * margin_, kLongestMargin);
  if (message_[told.size() + 1] == 0) return false;
  const double next = message_.back();
  late_ = std::max(0.0, time_.now() - (next + offset_));
  time_.wait_until(next + offset_);
  return true;
}

}  // namespace moecal::bench
