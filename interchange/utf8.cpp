// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace moecal::interchange {
namespace {

/// The bytes of a character by its first one; 0 if none starts so.
std::size_t length_by_first(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  return first >= 0xF0 && first < 0xF5 ? 4 : 0;
}

/// The code point of `length` bytes that start well.
std::uint32_t code_point(std::string_view bytes) {
  static constexpr unsigned char kPayload[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  std::uint32_t point = static_cast<unsigned char>(bytes[0]) & kPayload[bytes.size()];
  for (const char byte : bytes.substr(1))
    point = point << 6 | (static_cast<unsigned char>(byte) & 0x3F);
  return point;
}

/// The length of the character at the text's start; 0 if there is none.
std::size_t character_length(std::string_view text) {
  static constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const auto length = length_by_first(static_cast<unsigned char>(text[0]));
  if (length < 2) return length;
  if (text.size() < length) return 0;
  const auto rest = text.substr(1, length - 1);
  const bool continued = std::all_of(rest.begin(), rest.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
  });
  if (!continued) return 0;
  const auto point = code_point(text.substr(0, length));
  const bool surrogate = point >= 0xD800 && point < 0xE000;
  return point >= kSmallest[length] && point < 0x110000 && !surrogate ? length : 0;
}

}  // namespace

int replace_what_is_not_utf8(std::string& text) {
  int replaced = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto length = character_length(std::string_view{text}.substr(at));
    if (length == 0) {
      text[at] = '?';
      ++replaced;
    }
    at += std::max<std::size_t>(1, length);
  }
  return replaced;
}

}  // namespace moecal::interchange
