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
// Enough for 256 tokens' logits of 8 experts beside the largest cache of a card.
constexpr int kMostSets = 32768;

double sets_for_cold(Bytes footprint, Bytes last_level_cache) {
  if (last_level_cache > Bytes{0} && footprint >= kCachesOfOneSet * last_level_cache) return 1;
  const double cover = kCachesToCover * last_level_cache.value();
  return std::max(2.0, std::ceil(cover / std::max(1.0, footprint.value())));
}

}  // namespace

std::string_view to_string(CachePolicy policy) {
  return policy == CachePolicy::cold ? "cold" : "warm";
}

int buffer_sets(CachePolicy policy, Bytes footprint, Bytes last_level_cache) {
  if (policy == CachePolicy::warm) return 1;
  const double sets = sets_for_cold(footprint, last_level_cache);
  if (sets > kMostSets)
    throw Unsupported{"a cold cache would take " + std::to_string(static_cast<long long>(sets)) +
                      " buffer sets of " +
                      std::to_string(static_cast<long long>(footprint.value())) +
                      " bytes (at most " + std::to_string(kMostSets) + " are made)"};
  return static_cast<int>(sets);
}

CachePolicy policy_of(Bytes moved, int sets, Bytes last_level_cache) {
  return sets >= sets_for_cold(moved, last_level_cache) ? CachePolicy::cold : CachePolicy::warm;
}

std::vector<CachePolicy> policies_for(const Work& work, Bytes last_level_cache) {
  const Bytes moved = work.read + work.written;
  if (moved.value() >= kCachesToCover * last_level_cache.value()) return {CachePolicy::cold};
  return {CachePolicy::warm, CachePolicy::cold};
}

}  // namespace moecal::bench
