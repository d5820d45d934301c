// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/card_id.hpp"

#include "core/card.hpp"
#include "core/error.hpp"

namespace moecal::cli {

std::string card_id(const std::string& name) {
  if (name.empty()) return name;
  try {
    return find_card(name).id;
  } catch (const InvalidInput&) {
    return name;
  }
}

}  // namespace moecal::cli
