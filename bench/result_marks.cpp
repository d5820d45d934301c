// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/result_marks.hpp"

#include <algorithm>
#include <array>
#include <functional>

#include "core/build.hpp"
#include "runtime/device_memory.hpp"

namespace moecal::bench {
namespace {

constexpr std::size_t kMarkBytes = 16;
// A mark and a look take some 20 us of a GPU's host.
constexpr int kMostMarked = 1000;
constexpr std::byte kMark{0xFF};

struct OwnResult {
  std::span<std::byte> bytes;
  int set;
};

std::string buffer_set(int set, int sets) {
  return "buffer set " + std::to_string(set) + " of " + std::to_string(sets);
}

/// Two of which one begins before the other ends, or the end.
auto find_shared(std::vector<OwnResult>& results) {
  std::ranges::stable_sort(results, std::ranges::less{},
                           [](const OwnResult& result) { return result.bytes.data(); });
  return std::ranges::adjacent_find(results, [](const OwnResult& a, const OwnResult& b) {
    return std::less{}(b.bytes.data(), a.bytes.data() + a.bytes.size());
  });
}

}  // namespace

ResultMarks::ResultMarks(Trial& trial, Memory::Place place, int sets)
    : trial_{trial}, place_{place}, states_(static_cast<std::size_t>(sets), State::not_marked) {}

std::span<std::byte> ResultMarks::place_of_mark(int set) const {
  const auto result = trial_.written(set);
  return result.first(std::min(result.size(), kMarkBytes));
}

std::string ResultMarks::why_marks_prove_nothing() const {
  std::vector<OwnResult> results;
  for (int set = 0; set < sets(); ++set) {
    results.push_back({trial_.written(set), set});
    if (results.back().bytes.empty())
      return buffer_set(set, sets()) + " has no result that could show whether it was written";
  }
  const auto shared = find_shared(results);
  if (shared == results.end()) return "";
  const auto [first, second] = std::minmax(shared->set, std::next(shared)->set);
  return buffer_set(second, sets()) + " shares its result's memory with set " +
         std::to_string(first);
}

void ResultMarks::make() {
  if (!trial_.takes_part()) return;
  unmarked_because_ = why_marks_prove_nothing();
  if (!unmarked_because_.empty()) return;
  std::array<std::byte, kMarkBytes> mark;
  mark.fill(kMark);
  const int step = (sets() + kMostMarked - 1) / kMostMarked;
  for (int set = 0; set < sets(); set += step) {
    const auto marked = place_of_mark(set);
    if constexpr (build::has_cuda)
      if (place_ == Memory::Place::device)
        device_memory::write(marked.data(), mark.data(), marked.size());
    if (place_ == Memory::Place::host) std::ranges::fill(marked, kMark);
    states_[static_cast<std::size_t>(set)] = State::marked;
  }
}

bool ResultMarks::holds_mark(int set) const {
  const auto marked = place_of_mark(set);
  std::array<std::byte, kMarkBytes> now{};
  if constexpr (build::has_cuda)
    if (place_ == Memory::Place::device)
      device_memory::read(now.data(), marked.data(), marked.size());
  if (place_ == Memory::Place::host) std::ranges::copy(marked, now.begin());
  return std::all_of(now.begin(), now.begin() + static_cast<std::ptrdiff_t>(marked.size()),
                     [](std::byte byte) { return byte == kMark; });
}

void ResultMarks::look(int set) {
  auto& state = states_[static_cast<std::size_t>(set)];
  if (state == State::marked) state = holds_mark(set) ? State::unwritten : State::written;
}

int ResultMarks::unwritten() {
  for (int set = 0; set < sets(); ++set) look(set);
  const auto first = std::ranges::find(states_, State::unwritten);
  return first == states_.end() ? -1 : static_cast<int>(first - states_.begin());
}

std::string ResultMarks::unproven() {
  if (!unmarked_because_.empty()) return unmarked_because_;
  const int set = unwritten();
  if (set < 0) return "";
  return buffer_set(set, sets()) + " holds no result: its launches wrote elsewhere, or nothing";
}

}  // namespace moecal::bench
