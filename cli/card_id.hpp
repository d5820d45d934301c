// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace moecal::cli {

/// A card's id in records, from any of its names; empty stays empty. A name without a spec sheet is
/// taken as it stands: the records know whether it is theirs.
[[nodiscard]] std::string card_id(const std::string& name);

}  // namespace moecal::cli
