// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>
#include <vector>

#include "core/work.hpp"

namespace moecal::bench {

/// What a launch finds in the last-level cache: what the launch before left there (warm: one buffer
/// set, launched on again and again), or nothing of its own (cold: two buffer sets or more, in
/// rotation over at least twice the cache; or one of a hundred caches, which pushes itself out).
enum class CachePolicy { warm, cold };

[[nodiscard]] std::string_view to_string(CachePolicy policy);

/// How many buffer sets the policy asks for.
/// @throws Unsupported if cold would take more sets than it is sensible to make: the operands are
/// then so small that a launch measures its overhead, not memory.
[[nodiscard]] int buffer_sets(CachePolicy policy, Bytes footprint, Bytes last_level_cache);

/// What launches that move so much find in the cache, on that many buffer sets in rotation.
[[nodiscard]] CachePolicy policy_of(Bytes moved, int sets, Bytes last_level_cache);

/// The policies a kernel's point is measured under: both if its operands could stay in the cache,
/// only cold if they could not.
[[nodiscard]] std::vector<CachePolicy> policies_for(const Work& work, Bytes last_level_cache);

}  // namespace moecal::bench
