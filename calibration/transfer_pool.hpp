// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "calibration/donors.hpp"
#include "calibration/features.hpp"

/// How what several cards show of one series goes over to the spec sheet of another.
namespace moecal::calibration {

/// One series as several cards measured it.
using Evidences = std::vector<const Evidence*>;

/// One of its models, for what all have in common.
[[nodiscard]] const Model& example(const Evidence& evidence);
[[nodiscard]] Family family_of(const Evidence& evidence);

/// What a series' time follows on a spec sheet, and so how it is pooled: a link's rate, the peak
/// and the memory bandwidth, the memory bandwidth alone, or no figure of a card.
enum class TransferKind { link, arithmetic, memory, unlike };
[[nodiscard]] TransferKind kind_of(const Evidences& donors);

/// Why a card's spec sheet cannot place a series; empty: it can.
[[nodiscard]] std::string missing_figure(const Card& card, TransferKind kind, const Model& like);

/// Form and parameters of the series on the target. As `kind`, that of all donors: fewer of them
/// are pooled in the same way. No figure is missing of any card.
[[nodiscard]] Model pool(const Evidences& donors, const Card& target, TransferKind kind);

}  // namespace moecal::calibration
