// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace moecal::interchange {

/// Replaces every byte that is no part of UTF-8 by '?': records are JSON, which has no other
/// characters. @return how many there were
int replace_what_is_not_utf8(std::string& text);

}  // namespace moecal::interchange
