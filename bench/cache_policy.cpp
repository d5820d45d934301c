// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/cache_policy.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.hpp"

namespace moecal::bench {
namespace {

// Twice the cache: with an approximate LRU, once is not enough to push everything out.
constexpr double kCachesToCover = 2.0;
// A set of so many caches pushes itself out, but for a hundredth; two of them may not fit.
constexpr double kCachesOfOneSet = 100.0;
constexpr int kMostSets = 4096;

}  // namespace

std::string_view to_string(CachePolicy policy) {
  return policy == CachePolicy::cold ? "cold" : "warm";
}

int buffer_sets(CachePolicy policy, Bytes footprint, Bytes last_level_cache) {
  if (policy == CachePolicy::warm) return 1;
  if (last_level_cache > Bytes{0} && footprint >= kCachesOfOneSet * last_level_cache) return 1;
  const double cover = kCachesToCover * last_level_cache.value();
  const double sets = std::max(2.0, std::ceil(cover / std::max(1.0, footprint.value())));
  if (sets > kMostSets)
    throw Unsupported{"a cold cache would take " + std::to_string(static_cast<long long>(sets)) +
                      " buffer sets of " +
                      std::to_string(static_cast<long long>(footprint.value())) +
                      " bytes (at most " + std::to_string(kMostSets) + " are made)"};
  return static_cast<int>(sets);
}

std::vector<CachePolicy> policies_for(const Work& work, Bytes last_level_cache) {
  const Bytes moved = work.read + work.written;
  if (moved.value() >= kCachesToCover * last_level_cache.value()) return {CachePolicy::cold};
  return {CachePolicy::warm, CachePolicy::cold};
}

}  // namespace moecal::bench
