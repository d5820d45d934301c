// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/json_reader.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>

#include "core/directory.hpp"

namespace moecal {
namespace {

/// The word at this place if it is one that JSON lacks, with its sign.
std::string_view bare_number(std::string_view text) {
  for (const std::string_view word : {"Infinity", "infinity", "inf", "Inf", "NaN", "nan"}) {
    const std::size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
    if (text.substr(sign).starts_with(word)) return text.substr(0, sign + word.size());
  }
  return {};
}

/// The text with its bare nan and inf in quotes; nothing inside a string is touched.
std::string with_quoted_numbers(const std::string& text) {
  std::string result;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') in_string = !in_string;
    if (in_string && text[i] == '\\' && i + 1 < text.size()) result += text[i++];
    const auto word =
        in_string ? std::string_view{} : bare_number(std::string_view{text}.substr(i));
    if (word.empty()) {
      result += text[i];
      continue;
    }
    result += '"' + std::string{word} + '"';
    i += word.size() - 1;
  }
  return result;
}

/// Walks over a text and counts its lines into a number that outlives the copies a parser makes.
class LineCounter {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  LineCounter(const char* at, int* line) : at_{at}, line_{line} {}
  reference operator*() const { return *at_; }
  LineCounter& operator++() {
    if (*at_ == '\n') ++*line_;
    ++at_;
    return *this;
  }
  LineCounter operator++(int) {
    auto before = *this;
    ++*this;
    return before;
  }
  bool operator==(const LineCounter& other) const { return at_ == other.at_; }
  bool operator!=(const LineCounter& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  int* line_;
};

/// What the parser says, without its name for the kind of error.
std::string plain(const nlohmann::json::exception& error) {
  const std::string text = error.what();
  const auto end = text.find("] ");
  return text.starts_with("[json.exception") && end != std::string::npos ? text.substr(end + 2)
                                                                         : text;
}

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

}  // namespace

JsonReader::JsonReader(const nlohmann::json& object, FileLine where, std::string prefix)
    : object_{&object}, where_{std::move(where)}, prefix_{std::move(prefix)} {
  if (!object.is_object())
    throw InvalidInput{where_.str() + ": " +
                       (prefix_.empty() ? "the line" : "field '" + prefix_ + "'") +
                       " is not a JSON object"};
}

JsonReader JsonReader::object(const std::string& field) const {
  const auto found = object_->find(field);
  if (found == object_->end()) fail(field, "is missing");
  return {*found, where_, prefix_.empty() ? field : prefix_ + "." + field};
}

std::vector<JsonReader> JsonReader::objects(const std::string& field) const {
  const auto found = object_->find(field);
  if (found == object_->end()) fail(field, "is missing");
  if (!found->is_array()) fail(field, "is not an array");
  std::vector<JsonReader> readers;
  for (std::size_t i = 0; i < found->size(); ++i)
    readers.push_back(
        {(*found)[i], where_,
         (prefix_.empty() ? "" : prefix_ + ".") + field + "[" + std::to_string(i) + "]"});
  return readers;
}

void JsonReader::allow_only(std::initializer_list<std::string_view> fields) const {
  const auto known = [&] {
    std::string names;
    for (const auto& field : fields) names += (names.empty() ? "" : ", ") + std::string{field};
    return names;
  };
  for (const auto& [field, value] : object_->items())
    if (std::find(fields.begin(), fields.end(), field) == fields.end())
      fail(field, "is not known here; there are: " + known());
}

void JsonReader::fail(const std::string& field, const std::string& problem) const {
  throw InvalidInput{where_.str() + ": field '" + (prefix_.empty() ? "" : prefix_ + ".") + field +
                     "' " + problem};
}

nlohmann::json parse_json(const std::string& text, const FileLine& where) {
  if (is_blank(text)) throw InvalidInput{where.str() + ": is empty: JSON was expected"};
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    throw InvalidInput{where.str() + ": not valid JSON: " + plain(error)};
  }
}

nlohmann::json parse_foreign_json(const std::string& text, const FileLine& where) {
  using Json = nlohmann::json;
  const auto json = with_quoted_numbers(text);
  int line = 1;
  std::vector<int> begun;  // at which lines the objects around this place begin
  const auto note_lines = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) begun.push_back(line);
    if (event == Json::parse_event_t::object_end) {
      parsed[kLineMember] = begun.back();
      begun.pop_back();
    }
    return true;
  };
  try {
    return Json::parse(LineCounter{json.data(), &line},
                       LineCounter{json.data() + json.size(), &line}, note_lines);
  } catch (const Json::exception& error) {
    throw InvalidInput{FileLine{where.file, line}.str() + ": not valid JSON: " + plain(error)};
  }
}

std::string read_file(const std::string& path) {
  refuse_directory(path);
  std::ifstream stream{path, std::ios::binary};
  std::ostringstream text;
  if (!stream || !(text << stream.rdbuf())) {
    if (stream && stream.peek() == std::ifstream::traits_type::eof()) return "";
    throw InvalidInput{"cannot read '" + path + "': does it exist, and may it be read?"};
  }
  return text.str();
}

}  // namespace moecal
