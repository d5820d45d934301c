// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>

namespace moecal::interchange {

[[nodiscard]] bool is_gzip(std::string_view bytes);

/// What a gzip file holds; several members one after the other are joined, as gzip itself does.
/// @throws InvalidInput naming `path` if the bytes are no gzip file, are cut short or damaged, or
/// hold more than 4 GiB.
[[nodiscard]] std::string gunzip(std::string_view bytes, const std::string& path);

}  // namespace moecal::interchange
