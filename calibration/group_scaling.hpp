// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/form.hpp"

namespace moecal::calibration {

/// Whether a group crosses nodes.
enum class Tier { intra, inter };
[[nodiscard]] inline Tier tier_of(double nodes) { return nodes > 1 ? Tier::inter : Tier::intra; }

/// One operation over every group size of a system: n ranks spread evenly over N nodes, s bytes.
///   t = || latency + latency_per_rank (n/N - 1) + latency_per_node (N - 1),  s / rate ||_q
///   latency            s    of the smallest group
///   latency_per_rank   s    each further rank of a node adds
///   latency_per_node   s    each further node adds
///   latency_of_leaving s    what crossing nodes adds at once (N > 1); of two node counts and more,
///                           beside groups inside a node
///   inverse_bandwidth_intra  s/B  inside a node (N = 1)
///   inverse_bandwidth_inter  s/B  between nodes (N > 1): the slowest link a group crosses sets it
///   sharpness          1    q >= 1 of the corner: 1 adds, infinity is a max
/// A parameter of a tier that was not measured is absent, and the form does not speak of that tier.
/// Latency grows with the ranks rather than their logarithm, and the rate carries no (n-1)/n: both
/// predict unmeasured groups of the public NCCL tables better.
[[nodiscard]] Form group_scaling_form();

/// Points carry `size`, `ranks` and `nodes`.
/// @throws InvalidInput with fewer than 2 group sizes, or fewer points than parameters.
[[nodiscard]] Model fit_group_scaling(std::span<const FitPoint> points);

/// Half-width of log time of what a joint model cannot know between nodes where `a_node` ranks of a
/// node were measured and others are asked of. It holds both ends: that the ranks of a node have no
/// say, and that the latency but for what each node adds, and the rate, go with their number.
[[nodiscard]] double ranks_per_node_doubt(const Model& joint, const Inputs& asked, double a_node);

/// Whether the model speaks of groups that cross nodes, or of those that do not.
[[nodiscard]] bool speaks_of_tier(const Model& model, const std::string& tier);

}  // namespace moecal::calibration
