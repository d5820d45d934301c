// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_slabs.hpp"

#include <iterator>
#include <map>
#include <mutex>

#include "runtime/device_memory.hpp"

namespace moecal::device_slabs {
namespace {

constexpr std::size_t kSlabBytes = std::size_t{32} << 20;
constexpr std::size_t kLargestPiece = kSlabBytes / 64;
constexpr std::size_t kAlignment = 512;  // what the driver rounds to

struct Slab {
  std::size_t used = 0;  // from its start; what is released is not used again
  int pieces = 0;        // that live
};

struct Slabs {
  std::mutex mutex;
  std::map<std::byte*, Slab> by_start;
};
Slabs& slabs() {
  static Slabs all;
  return all;
}

thread_local bool sharing = false;
thread_local std::byte* open_slab = nullptr;  // of this thread's Sharing

std::size_t rounded(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

// Begins with a slab of its own: one before it may lie on another device.
Sharing::Sharing(bool wanted) : before_{sharing} {
  sharing = wanted;
  open_slab = nullptr;
}

Sharing::~Sharing() {
  sharing = before_;
  open_slab = nullptr;
}

void* allocate(std::size_t bytes) {
  if (!sharing || bytes > kLargestPiece) return device_memory::allocate(bytes);
  const std::lock_guard lock{slabs().mutex};
  auto found = slabs().by_start.find(open_slab);
  if (found == slabs().by_start.end() || found->second.used + rounded(bytes) > kSlabBytes) {
    open_slab = static_cast<std::byte*>(device_memory::allocate(kSlabBytes));
    found = slabs().by_start.emplace(open_slab, Slab{}).first;
  }
  auto& [start, slab] = *found;
  std::byte* piece = start + slab.used;
  slab.used += rounded(bytes);
  ++slab.pieces;
  return piece;
}

void release(void* data) noexcept {
  const std::lock_guard lock{slabs().mutex};
  auto& all = slabs().by_start;
  const auto after = all.upper_bound(static_cast<std::byte*>(data));
  const auto found = after == all.begin() ? all.end() : std::prev(after);
  if (found == all.end() || found->first + kSlabBytes <= static_cast<std::byte*>(data))
    return device_memory::release(data);
  if (--found->second.pieces > 0) return;
  device_memory::release(found->first);
  all.erase(found);
}

}  // namespace moecal::device_slabs
