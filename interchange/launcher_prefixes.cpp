// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/launcher_prefixes.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "interchange/text_lines.hpp"

namespace moecal::interchange {
namespace {

constexpr int kMostLayers = 4;

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

/// Walks along the start of a line; each step is taken or not.
class Walk {
 public:
  explicit Walk(std::string_view line) : line_{line} {}

  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] std::string_view rest() const { return line_.substr(at_); }
  bool word(std::string_view word) {
    if (!rest().starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  bool digits(std::size_t least, std::size_t most) { return all(is_digit, least, most); }
  bool letters(std::size_t least, std::size_t most) { return all(is_letter, least, most); }
  bool past(char c) {
    const auto found = line_.find(c, at_);
    if (found == line_.npos) return false;
    at_ = found + 1;
    return true;
  }
  void blanks() {
    while (word(" ") || word("\t")) continue;
  }
  /// One of the characters, if the next is one.
  void any_of(std::string_view characters) {
    if (!rest().empty() && characters.find(rest()[0]) != characters.npos) ++at_;
  }

 private:
  template <class Is>
  bool all(Is is, std::size_t least, std::size_t most) {
    std::size_t count = 0;
    while (count < rest().size() && count <= most && is(rest()[count])) ++count;
    if (count < least || count > most) return false;
    at_ += count;
    return true;
  }

  std::string_view line_;
  std::size_t at_ = 0;
};

/// "[1,0]<stdout>:", "[default0]:", "[pod/worker-0/main] ".
std::size_t tag_length(std::string_view line) {
  Walk tag{line}, rank{line}, pod{line};
  if (tag.word("[") && tag.past(']') && (tag.word("<stdout>:") || tag.word("<stderr>:")))
    return tag.at();
  if (rank.word("[") && rank.letters(1, 20) && rank.digits(1, 6) && rank.word("]:"))
    return rank.at();
  return pod.word("[pod/") && pod.past(']') ? pod.at() : 0;
}

/// "12:30:01", with fractions of a second or without.
bool take_clock(Walk& walk) {
  if (!(walk.digits(2, 2) && walk.word(":") && walk.digits(2, 2) && walk.word(":") &&
        walk.digits(2, 2)))
    return false;
  const auto whole = walk;
  walk.any_of(".,");
  if (!walk.digits(1, 9)) walk = whole;
  return true;
}

/// "2026-01-02T12:30:01+01:00", "2026/01/02 12:30:01".
bool take_iso_time(Walk& walk) {
  if (!walk.digits(4, 4)) return false;
  walk.any_of("-/");
  if (!walk.digits(2, 2)) return false;
  walk.any_of("-/");
  if (!walk.digits(2, 2)) return false;
  walk.any_of("T ");
  if (!take_clock(walk)) return false;
  if (walk.word("Z") || !(walk.word("+") || walk.word("-"))) return true;
  return walk.digits(2, 2) && (walk.word(":") || true) && walk.digits(2, 2);
}

/// "Fri Jan  2 12:30:01 2026".
bool take_c_time(Walk& walk) {
  for (int word = 0; word < 2; ++word) {
    if (!walk.letters(3, 3)) return false;
    walk.blanks();
  }
  if (!walk.digits(1, 2)) return false;
  walk.blanks();
  if (!take_clock(walk)) return false;
  walk.blanks();
  return walk.digits(4, 4);
}

/// A time stamp, and the stream that container logs name behind it ("stdout F").
std::size_t stamp_length(std::string_view line) {
  for (const auto take_time : {take_iso_time, take_c_time, take_clock}) {
    Walk walk{line};
    const bool bracket = walk.word("[");
    if (!take_time(walk) || (bracket && !walk.word("]"))) continue;
    const auto rest = walk.rest();
    if (!rest.empty() && rest[0] != ' ' && rest[0] != '[' && rest[0] != '\r') continue;
    for (const auto stream : {" stdout F", " stderr F", " stdout P", " stderr P"})
      if (walk.word(stream)) break;
    return walk.at();
  }
  return 0;
}

/// "0:" of srun --label, which aligns its numbers, and "[0] " of mpich.
std::size_t label_length(std::string_view line) {
  Walk label{line}, bracket{line}, clock{line};
  const bool is_clock = take_clock(clock) && !clock.rest().starts_with(':');
  if (is_clock || stamp_length(line) > 0) return 0;
  label.blanks();
  if (label.digits(1, 6) && label.word(":")) return label.at();
  return bracket.word("[") && bracket.digits(1, 6) && bracket.word("] ") ? bracket.at() - 1 : 0;
}

/// Cuts what `length_of` finds off each line, with one blank behind it.
template <class LengthOf>
std::string cut(std::string_view text, const LengthOf& length_of) {
  std::string kept;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
    auto line = text.substr(0, end);
    if (const auto length = length_of(line); length > 0) {
      line.remove_prefix(length);
      if (line.starts_with(' ')) line.remove_prefix(1);
    }
    kept += line;
    text.remove_prefix(end);
  }
  return kept;
}

/// A prefix that launchers write, and the share of lines that must start so to be believed.
struct Shape {
  std::size_t (*length)(std::string_view line);
  double share;
};

constexpr std::array<Shape, 3> kShapes{{{tag_length, 0}, {stamp_length, 0.5}, {label_length, 0.5}}};

/// @return whether there was one to remove
bool remove_shape(const Shape& shape, std::string& text) {
  std::size_t lines = 0, prefixed = 0;
  for (const auto line : lines_of(text)) {
    lines += trimmed(line).empty() ? 0 : 1;
    prefixed += shape.length(line) > 0 ? 1 : 0;
  }
  if (prefixed == 0 || static_cast<double>(prefixed) <= shape.share * static_cast<double>(lines))
    return false;
  text = cut(text, shape.length);
  return true;
}

/// "node07:", of the line's start; a name without a digit is a word of the program's.
std::string_view name_of(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == line.npos || (colon + 1 < line.size() && line[colon + 1] != ' ')) return {};
  const auto name = line.substr(0, colon);
  const bool is_name = std::all_of(name.begin(), name.end(), [](char c) {
    return is_digit(c) || is_letter(c) || c == '-' || c == '_' || c == '.';
  });
  const bool is_host = is_name && !name.empty() && is_letter(name[0]) &&
                       std::any_of(name.begin(), name.end(), is_digit);
  return is_host ? line.substr(0, colon + 1) : std::string_view{};
}

void remove_name(std::string& text) {
  std::string name;
  for (const auto line : lines_of(text)) {
    if (trimmed(line).empty()) continue;
    if (name.empty()) name = name_of(line);
    if (name.empty() || !line.starts_with(name)) return;
  }
  text = cut(text, [&name](std::string_view line) {
    return line.starts_with(name) ? name.size() : std::size_t{0};
  });
}

}  // namespace

void remove_launcher_prefixes(std::string& text) {
  remove_name(text);
  for (int layer = 0; layer < kMostLayers; ++layer) {
    bool removed = false;
    for (const auto& shape : kShapes) removed = remove_shape(shape, text) || removed;
    if (!removed) return;
  }
}

}  // namespace moecal::interchange
