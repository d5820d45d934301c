// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/compare_notes.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <set>

namespace moecal::cli {

/// A number stands alone, but for what comes right before it as in "x2" or "bytes=64", and right
/// behind it as a comma: "f16", "2.29.2" and "b200-8" are words.
CompareNotes::Note CompareNotes::note_of(const std::string& flag) {
  const auto opens = [&](std::size_t at) {
    if (at == 0 || std::string{" =("}.find(flag[at - 1]) != std::string::npos) return true;
    return flag[at - 1] == 'x' && (at == 1 || flag[at - 2] == ' ');
  };
  const auto closes = [&](const char* end) {
    const auto at = static_cast<std::size_t>(end - flag.data());
    return at == flag.size() || std::string{" ,:;)"}.find(flag[at]) != std::string::npos;
  };
  Note note{{""}, {}};
  for (std::size_t at = 0; at < flag.size();) {
    double value = 0;
    const auto parsed = std::from_chars(flag.data() + at, flag.data() + flag.size(), value);
    if (parsed.ec != std::errc{} || !opens(at) || !closes(parsed.ptr)) {
      note.words.back() += flag[at++];
      continue;
    }
    const Number number{value, {flag.data() + at, parsed.ptr}};
    note.numbers.emplace_back(number, number);
    note.words.emplace_back();
    at = static_cast<std::size_t>(parsed.ptr - flag.data());
  }
  return note;
}

void CompareNotes::widen(Note& known, const Note& seen) {
  const auto less = [](const Number& a, const Number& b) { return a.value < b.value; };
  for (std::size_t i = 0; i < known.numbers.size(); ++i) {
    auto& [least, most] = known.numbers[i];
    least = std::min(least, seen.numbers[i].first, less);
    most = std::max(most, seen.numbers[i].second, less);
  }
}

std::size_t CompareNotes::index_of(const std::string& flag) {
  const auto seen = note_of(flag);
  const auto found = std::find_if(notes_.begin(), notes_.end(),
                                  [&](const Note& note) { return note.words == seen.words; });
  const auto index = static_cast<std::size_t>(found - notes_.begin());
  if (found == notes_.end())
    notes_.push_back(seen);
  else
    widen(*found, seen);
  return index;
}

std::string CompareNotes::marks(const std::vector<std::string>& flags) {
  std::set<std::size_t> indices;
  for (const auto& flag : flags) indices.insert(index_of(flag));
  std::string text;
  for (const auto index : indices) text += "[" + std::to_string(index + 1) + "]";
  return text;
}

std::string CompareNotes::text() const {
  std::string all;
  for (std::size_t i = 0; i < notes_.size(); ++i) {
    const auto& [words, numbers] = notes_[i];
    std::string line = words.front();
    for (std::size_t n = 0; n < numbers.size(); ++n) {
      const auto& [least, most] = numbers[n];
      line += least.text + (least.value == most.value ? "" : " to " + most.text) + words[n + 1];
    }
    all += "[" + std::to_string(i + 1) + "] " + line + "\n";
  }
  return all;
}

}  // namespace moecal::cli
