// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "core/card.hpp"
#include "core/observation.hpp"
#include "interchange/importer.hpp"

namespace moecal::interchange {

/// Why this card cannot have done the observation's work in that time, or an empty text. Limits are
/// 1.02x the nominal dense peak (of f32: that of TF32; of a dtype without one: of the card's
/// fastest), and 1.02x the nominal memory bandwidth for what no cache can hold; and four times a
/// link's nominal rate, which in-switch reduction passes.
[[nodiscard]] std::string why_impossible(const Card& card, const Observation& observation);

/// The card the user names or the file does. @throws InvalidInput if neither is known: `where` is
/// the place the device name stands.
[[nodiscard]] Card importing_card(const ImportOptions& options, const std::string& device_name,
                                  const FileLine& where);

/// The id of the one card that a text speaks of ("..., one Ascend910B2 (cloud)"), by its longest
/// spelling in it; empty if it speaks of none or of several.
[[nodiscard]] std::string card_named_in(const std::string& prose);

/// The system id of `per_node` devices used of each node: a card's own number of devices, where
/// that is known and no smaller.
[[nodiscard]] std::string system_of(const Card& card, int per_node);

}  // namespace moecal::interchange
