// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/plain_text.hpp"

#include <algorithm>
#include <string_view>

namespace moecal::interchange {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";
constexpr char kEscape = '\x1B';
constexpr char kBell = '\x07';

/// True of a text without a mark in which every other byte is zero.
bool has_every_other_zero(std::string_view start, std::size_t first) {
  for (std::size_t i = first; i < start.size(); i += 2)
    if (start[i] != '\0') return false;
  return start.size() > first;
}

bool is_utf16(std::string_view text) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) return true;
  const auto start = text.substr(0, 16);
  return start.size() >= 4 && (has_every_other_zero(start, 0) || has_every_other_zero(start, 1));
}

bool is_from(char c, char least, char most) { return c >= least && c <= most; }

std::size_t past_all(std::string_view text, std::size_t at, char least, char most) {
  while (at < text.size() && is_from(text[at], least, most)) ++at;
  return at;
}

/// The end of a title ("ESC ] ... BEL", or with "ESC \" for the bell), which is on one line.
std::size_t title_end(std::string_view text) {
  const auto end = std::min(text.find_first_of("\x07\x1B\n", 1), text.size());
  if (end == text.size() || text[end] == '\n') return 1;
  return text[end] == kBell ? end + 1 : std::min(end + 2, text.size());
}

/// The length of the sequence at the text's start, which is an escape: "ESC [ 1 ; 32 m", "ESC ( B".
/// Of one that is cut short, of the escape alone.
std::size_t sequence_length(std::string_view text) {
  if (text.substr(1).starts_with(']')) return title_end(text);
  const bool is_control = text.substr(1).starts_with('[');
  auto end = is_control ? past_all(text, 2, '0', '?') : 1;
  end = past_all(text, end, ' ', '/');
  const bool is_whole = end < text.size() && is_from(text[end], is_control ? '@' : '0', '~');
  return is_whole ? end + 1 : 1;
}

bool is_control(unsigned char c) {
  return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
}

}  // namespace

std::string why_no_plain_text(const std::string& text) {
  if (is_utf16(text)) return "is UTF-16: convert it, e.g. with iconv -f UTF-16 -t UTF-8";
  const bool returns = text.find('\r') != text.npos && text.find('\n') == text.npos;
  return returns ? "has lines that end with a carriage return alone: convert it, e.g. with "
                   "tr '\\r' '\\n'"
                 : "";
}

void remove_marks_and_colours(std::string& text) {
  if (text.find(kEscape) == text.npos && text.find(kMark) == text.npos) return;
  std::string kept;
  for (std::string_view rest = text; !rest.empty();) {
    const auto length = rest[0] == kEscape        ? sequence_length(rest)
                        : rest.starts_with(kMark) ? kMark.size()
                                                  : 0;
    if (length == 0) kept += rest[0];
    rest.remove_prefix(std::max<std::size_t>(1, length));
  }
  text = std::move(kept);
}

void remove_blanks_at_line_ends(std::string& text) {
  std::size_t end = 0, kept = 0;  // of the line: behind its last byte, and behind its last other
  for (const char c : text) {
    if (c == '\n') end = kept;
    text[end++] = c;
    if (c == '\n' || (c != ' ' && c != '\t' && c != '\r')) kept = end;
  }
  text.resize(kept);
}

int replace_control_characters(std::string& text) {
  int replaced = 0;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters of two bytes.
    const bool wide = c == 0xC2 && i + 1 < text.size() && is_from(text[i + 1], '\x80', '\x9F');
    const bool replace = wide || is_control(c);
    text[kept++] = replace ? '?' : text[i];
    if (wide) ++i;
    replaced += replace ? 1 : 0;
  }
  text.resize(kept);
  return replaced;
}

}  // namespace moecal::interchange
